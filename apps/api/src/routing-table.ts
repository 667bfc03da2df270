import { MicroError } from '@micro/errors';
import type { HttpRule } from '@micro/proto';
import type { Service } from '@micro/registry';
import { type Method, type SchemaSource, ServiceMethods } from './method.js';
import { nearest } from './nearest.js';
import { type CleanPath, shown } from './path.js';
import { pathOf } from './resolver.js';
import { type Found, RouteTree } from './route-tree.js';
import { parseTemplate } from './template.js';

/** A method with how a declared route calls it. */
export interface Declared {
  readonly method: Method;
  /** As in google.api.http: `*`, a field, or empty. */
  readonly body: string;
  readonly responseBody: string;
}

/** A version of a service with its schema. */
export interface Version {
  readonly service: Service;
  readonly schema: SchemaSource;
}

/** Everything that can be called in one namespace, as it is at one time, compiled for look-ups. */
export class RoutingTable {
  readonly #services = new Map<string, ServiceMethods>();
  readonly #routes = new RouteTree<Declared>();
  /** Routes bound to hosts: by exact name, and `*.example.com` by `.example.com`. */
  readonly #hosts = new Map<string, RouteTree<Declared>>();

  /**
   * `versions` ascending by name and version; of two that declare the same route the first one has it. A route that cannot be had is left
   * out, and `onProblem` told why.
   */
  constructor(versions: readonly Version[], onProblem: (problem: string, method: Method) => void) {
    const byName = new Map<string, Version[]>();
    for (const version of versions) {
      const known = byName.get(version.service.name);
      if (known) known.push(version);
      else byName.set(version.service.name, [version]);
    }
    for (const [name, list] of byName) {
      const service = new ServiceMethods(name, list);
      this.#services.set(name, service);
      for (const method of service.methods) this.#declare(method, onProblem);
    }
  }

  /** Whether any route is bound to a host. */
  get hasHosts(): boolean {
    return this.#hosts.size > 0;
  }

  service(name: string): ServiceMethods | undefined {
    return this.#services.get(name);
  }

  /** What services declare for this request; routes bound to its host come first. `host` is without a port, in lower case. */
  declared(method: string, host: string, path: CleanPath): Found<Declared> | undefined {
    let otherMethods: Found<Declared> | undefined;
    for (const tree of this.#treesOf(host)) {
      const found = tree.find(method, path);
      if (found && 'value' in found) return found;
      otherMethods ??= found;
    }
    return otherMethods;
  }

  /** Says that there is no such service, and which names are near. */
  unknownService(name: string, namespace: string): MicroError {
    const detail = `service "${shown(name)}" is not registered in namespace "${namespace}"`;
    return new MicroError('not_found', detail + suggestion(nearest(name, this.#services.keys())), { id: 'api' });
  }

  #declare(method: Method, onProblem: (problem: string, method: Method) => void): void {
    for (const { host, rule } of routesOf(method)) {
      try {
        if (!verbs.test(rule.method))
          throw new MicroError('invalid_argument', `${JSON.stringify(shown(rule.method))} is no HTTP method`);
        const declared = { method, body: rule.body, responseBody: rule.responseBody };
        const added = this.#treeOf(host).add(rule.method, parseTemplate(rule.path), declared);
        if (!added) onProblem(`another endpoint has ${rule.method} ${rule.path} already`, method);
      } catch (error) {
        onProblem(MicroError.from(error).detail, method);
      }
    }
  }

  #treeOf(host: string): RouteTree<Declared> {
    if (host === '*') return this.#routes;
    const key = host.replace(/^\*/, '');
    let tree = this.#hosts.get(key);
    if (!tree) this.#hosts.set(key, (tree = new RouteTree()));
    return tree;
  }

  *#treesOf(host: string): Iterable<RouteTree<Declared>> {
    for (const name of this.#hosts.size > 0 ? suffixes(host) : []) {
      const tree = this.#hosts.get(name);
      if (tree) yield tree;
    }
    yield this.#routes;
  }
}

/** HTTP methods (RFC 9110, section 9.1), and any of them. They come from who registers, and go into the header `allow`. */
const verbs = /^(?:\*|[A-Z0-9!#$%&'+.^_`|~-]{1,32})$/;

/** Says that a service has no such endpoint, and which of its endpoints are near, each with its path. */
export function unknownEndpoint(service: ServiceMethods, endpoint: string): MicroError {
  const near = nearest(endpoint, service.names);
  const named = near.length > 0 ? near : service.names.slice(0, 10);
  const hints = named.map((name) => `${name} (${pathOf(service.name, name)})`);
  const list = near.length > 0 ? suggestion(hints) : hints.length > 0 ? `; it has ${hints.join(', ')}` : '';
  return new MicroError('not_found', `service "${service.name}" has no endpoint "${shown(endpoint)}"${list}`, {
    id: 'api',
  });
}

function suggestion(names: readonly string[]): string {
  return names.length > 0 ? `; did you mean ${names.join(' or ')}?` : '';
}

/** `a.b.c` → `a.b.c`, `.b.c`, `.c`. */
function* suffixes(host: string): Iterable<string> {
  yield host;
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) yield host.slice(dot);
}

/** Routes of an endpoint: of its schema's google.api.http, and of its registration's metadata, where lists are written with commas. */
function* routesOf(method: Method): Iterable<{ readonly host: string; readonly rule: HttpRule }> {
  for (const rule of method.httpRules) yield { host: '*', rule };
  const { metadata } = method.endpoint;
  for (const path of listed(metadata['path'])) {
    for (const verb of listed(metadata['method'], '*')) {
      const rule = { method: verb.toUpperCase(), path, body: '*', responseBody: '' };
      for (const host of listed(metadata['host'], '*')) yield { host: host.toLowerCase(), rule };
    }
  }
}

function listed(text: string | undefined, otherwise?: string): string[] {
  const list = (text ?? '').split(',').map((one) => one.trim());
  const given = list.filter((one) => one !== '');
  return given.length === 0 && otherwise !== undefined ? [otherwise] : given;
}
