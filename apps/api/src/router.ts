import { Injectable } from '@nestjs/common';
import { MicroError } from '@micro/errors';
import type { Method } from './method.js';
import { hostNameOf } from './namespace.js';
import { cleanPath, type CleanPath, shown } from './path.js';
import { Reflection } from './reflection.js';
import { resolve } from './resolver.js';
import { type RoutingTable, unknownEndpoint } from './routing-table.js';
import { RoutingTables } from './tables.js';
import type { Variables } from './template.js';

/** A method to be called, and what the URL says of its message. */
export interface Route {
  readonly method: Method;
  readonly variables: Variables;
  /** Without the question mark. */
  readonly query: string;
  /** What the body stands for, and what of the response is answered, as in google.api.http: `*`, a field, or empty. */
  readonly body: string;
  readonly responseBody: string;
}

/** What decides on a route beside the URL. */
export interface Origin {
  readonly namespace: string;
  /** The HTTP method. */
  readonly verb: string;
  /** As in the Host header. */
  readonly host: string;
}

interface RouteRequest extends Origin {
  readonly path: CleanPath;
  readonly query: string;
}

const callable = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const remembered = 10_000;
/** Longer URLs are spelt like that by no one who calls often: they would only fill the memory. */
const memorable = 256;

/** From a request line to the method it calls: what services declare comes first, then the convention. */
@Injectable()
export class Router {
  readonly #tables: RoutingTables;
  readonly #reflection: Reflection;
  /** Where POST requests without a query led before, by table: all that the hot path looks at. */
  readonly #plain = new WeakMap<RoutingTable, Map<string, Route>>();

  constructor(tables: RoutingTables, reflection: Reflection) {
    this.#tables = tables;
    this.#reflection = reflection;
  }

  /** MicroError `not_found` naming what is near, or 405 with what is allowed. */
  route(origin: Origin, url: string): Route | Promise<Route> {
    const table = this.#tables.of(origin.namespace);
    if (table instanceof Promise) return this.#whenRead(table, origin, url);
    const plain = origin.verb === 'POST' && !table.hasHosts ? this.#plain.get(table)?.get(url) : undefined;
    return plain ?? this.#look(table, origin, url);
  }

  /** Begins to read a namespace. A registry that does not answer is told of with the first request. */
  warm(namespace: string): void {
    void Promise.resolve(this.#tables.of(namespace)).catch(() => undefined);
  }

  /** The method of a service by name, for those who name both. */
  async method(service: string, endpoint: string, namespace: string): Promise<Method> {
    const known = this.#tables.of(namespace);
    if (known instanceof Promise) await this.#tables.arrival(service, namespace);
    const table = await known;
    return (
      table.service(service)?.find(endpoint) ??
      this.#missing(await this.#tables.latest(namespace), { service, endpoint }, namespace)
    );
  }

  /** The namespace is being read: what the path names by convention is then asked for by name. */
  async #whenRead(table: Promise<RoutingTable>, origin: Origin, url: string): Promise<Route> {
    table.catch(() => undefined);
    const named = resolve(cleanPath(url.split('?', 1)[0] as string).segments);
    if (named) await this.#tables.arrival(named.service, origin.namespace);
    await table;
    return this.#look(await this.#tables.latest(origin.namespace), origin, url);
  }

  #look(table: RoutingTable, origin: Origin, url: string): Route | Promise<Route> {
    const mark = url.indexOf('?');
    const path = cleanPath(mark < 0 ? url : url.slice(0, mark));
    const request: RouteRequest = { ...origin, path, query: mark < 0 ? '' : url.slice(mark + 1) };
    const route = find(table, request);
    if (!route) return this.#lookAgain(request);
    if (origin.verb === 'POST' && mark < 0 && route.variables.length === 0 && url.length <= memorable)
      this.#remember(table, url, route);
    return route;
  }

  /** With the registry as it is right now; then by asking a service that has not said what it has. */
  async #lookAgain(request: RouteRequest): Promise<Route> {
    const table = await this.#tables.latest(request.namespace);
    const route = find(table, request);
    if (route) return route;
    const resolved = resolve(request.path.segments);
    if (!resolved)
      throw new MicroError(
        'not_found',
        `there is nothing at /${shown(request.path.segments.join('/'))}: a path is /service/method or /service/handler/method`,
        { id: 'api' },
      );
    const method = await this.#missing(table, resolved, request.namespace);
    return byConvention(method, request);
  }

  async #missing(
    table: RoutingTable,
    { service, endpoint }: { readonly service: string; readonly endpoint: string },
    namespace: string,
  ): Promise<Method> {
    const known = table.service(service);
    if (!known) throw table.unknownService(service, namespace);
    const methods =
      known.names.length > 0 || !known.speaksGrpc ? known : await this.#reflection.methods(service, namespace);
    const method = methods.find(endpoint);
    if (!method) throw unknownEndpoint(methods, endpoint);
    return method;
  }

  #remember(table: RoutingTable, url: string, route: Route): void {
    let routes = this.#plain.get(table);
    if (!routes) this.#plain.set(table, (routes = new Map()));
    if (routes.size >= remembered) routes.clear();
    routes.set(url, route);
  }
}

/** Undefined if the table has nothing for the path. */
function find(table: RoutingTable, request: RouteRequest): Route | undefined {
  const { verb, host, path, query } = request;
  const declared = table.declared(verb === 'HEAD' ? 'GET' : verb, table.hasHosts ? hostNameOf(host) : '', path);
  if (declared && 'value' in declared) return { ...declared.value, variables: declared.variables, query };
  const resolved = resolve(path.segments);
  const method = resolved && table.service(resolved.service)?.find(resolved.endpoint);
  if (method) return byConvention(method, request);
  if (declared) throw notAllowed(verb, declared.allow);
  return undefined;
}

function byConvention(method: Method, { verb, query }: RouteRequest): Route {
  if (!callable.includes(verb)) throw notAllowed(verb, callable);
  return { method, variables: [], query, body: '*', responseBody: '' };
}

export function notAllowed(verb: string, allow: readonly string[]): MicroError {
  return new MicroError('unimplemented', `${verb} is not possible here: use ${allow.join(' or ')}`, {
    id: 'api',
    status: 405,
    metadata: { allow: allow.join(', ') },
  });
}
