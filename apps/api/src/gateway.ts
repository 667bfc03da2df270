import type { IncomingMessage } from 'node:http';
import { MicroError } from '@micro/errors';
import { Platform } from '@micro/platform';
import type { HttpResponse, PlainRequest } from '@micro/rpc';
import type { Logger, Metrics } from '@micro/telemetry';
import { Injectable } from '@nestjs/common';
import { decompressed, readBody, tooLarge } from './body.js';
import { Caller } from './caller.js';
import { preflight } from './cors.js';
import { HttpCall } from './http-call.js';
import { formatOf } from './content.js';
import { jsonText } from './json.js';
import { messageOf } from './request-message.js';
import { checkedNamespace, Hosts } from './namespace.js';
import { maxUrlLength } from './path.js';
import { notAllowed, type Route, Router } from './router.js';
import { Settings } from './settings.js';
import { timeoutOf } from './timeout.js';

/** Node leaves headers beyond some thousand out without a word: a request with that many is refused instead. */
const maxHeaders = 256;

/** What the gateway itself answers, by path: true if it took the request. */
export type OwnRoutes = (http: HttpCall, path: string) => boolean;

/** From an HTTP request to its answer. */
@Injectable()
export class Gateway {
  readonly #router: Router;
  readonly #caller: Caller;
  readonly #settings: Settings;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #hosts = new Hosts();
  #inFlight = 0;
  #drained: (() => void) | undefined;

  constructor(router: Router, caller: Caller, settings: Settings, platform: Platform) {
    this.#router = router;
    this.#caller = caller;
    this.#settings = settings;
    this.#logger = platform.logger;
    this.#metrics = platform.metrics;
  }

  handle(request: IncomingMessage | PlainRequest, response: HttpResponse, own: OwnRoutes): void {
    this.#inFlight++;
    const http = new HttpCall(request, response, (call) => this.#over(call));
    try {
      this.#handle(http, own);
    } catch (error) {
      this.#fail(http, error);
    }
  }

  /** Begins to read the registry, so that the first request need not wait for it. */
  warm(): void {
    this.#router.warm(this.#settings.namespace);
  }

  /** Resolves when every request has its answer, or `ms` from now. */
  drained(ms: number): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#drained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #handle(http: HttpCall, own: OwnRoutes): void {
    const { concurrentCalls } = this.#settings;
    if (this.#inFlight > concurrentCalls) {
      throw new MicroError(
        'resource_exhausted',
        `the gateway is answering ${concurrentCalls} requests, its limit: try again later`,
        { id: 'api', metadata: { 'retry-after': '1' } },
      );
    }
    const { request, inbound } = http;
    const allowed = request.method === 'OPTIONS' ? preflight(request, inbound.origin) : undefined;
    if (allowed) return http.answerNothing([], allowed);
    if (request.rawHeaders.length > 2 * maxHeaders) {
      throw new MicroError('resource_exhausted', `the request has more than ${maxHeaders} headers`, {
        id: 'api',
        status: 431,
      });
    }
    if ((request.url as string).length > maxUrlLength) {
      throw new MicroError(
        'invalid_argument',
        `the URL is longer than ${maxUrlLength} characters: send the values in the body`,
        { id: 'api', status: 414 },
      );
    }
    if (inbound.manyHosts)
      throw new MicroError('invalid_argument', 'the request has more than one Host header', { id: 'api' });
    const { url, host } = targetOf(request.url as string, inbound.host);
    if (host === '' && request.httpVersionMinor > 0)
      throw new MicroError('invalid_argument', 'the request has no Host header (RFC 9112, section 3.2)', { id: 'api' });
    const path = pathOf(url);
    if (own(http, path)) return;
    const namespace = inbound.namespace === '' ? this.#hosts.namespace(host) : checkedNamespace(inbound.namespace);
    const timeoutMs = timeoutOf(inbound, this.#settings);
    if (namespace instanceof Promise) {
      namespace
        .then((found) => this.#route(http, { url, host, timeoutMs, namespace: found ?? this.#settings.namespace }))
        .catch((error: unknown) => this.#fail(http, error));
    } else {
      this.#route(http, { url, host, timeoutMs, namespace: namespace ?? this.#settings.namespace });
    }
  }

  #route(http: HttpCall, target: Target): void {
    const { request } = http;
    if (request.method === 'OPTIONS')
      return http.answerNothing([], ['allow', 'GET, POST, PUT, PATCH, DELETE, OPTIONS']);
    if (pathOf(target.url) === '/rpc') return this.#rpc(http, target);
    const route = this.#router.route(
      { namespace: target.namespace, verb: request.method as string, host: target.host },
      target.url,
    );
    if (route instanceof Promise)
      route.then((found) => this.#read(http, target, found)).catch((error: unknown) => this.#fail(http, error));
    else this.#read(http, target, route);
  }

  #read(http: HttpCall, { namespace, timeoutMs }: Target, route: Route): void {
    this.#begin(http, route);
    this.#body(http, (body) =>
      this.#caller.call({ http, namespace, route, body, contentType: http.inbound.contentType, timeoutMs }),
    );
  }

  /** `POST /rpc` with service, endpoint and request in the body. */
  #rpc(http: HttpCall, { namespace, timeoutMs }: Target): void {
    if (http.request.method !== 'POST') throw notAllowed(http.request.method as string, ['POST']);
    this.#body(http, async (body) => {
      const { service, endpoint, request } = rpcRequest(body, http.inbound.contentType);
      const method = await this.#router.method(service, endpoint, namespace);
      const route: Route = { method, variables: [], query: '', body: '*', responseBody: '' };
      this.#begin(http, route);
      await this.#caller.call({ http, namespace, route, body: request, contentType: 'application/json', timeoutMs });
    });
  }

  /** Reads the body and goes on with it. */
  #body(http: HttpCall, proceed: (body: Buffer) => Promise<void>): void {
    const { contentLength, contentEncoding } = http.inbound;
    const { bodyBytes } = this.#settings;
    if (contentLength > bodyBytes) throw tooLarge(bodyBytes);
    if (http.inbound.expect !== '') http.response.writeContinue();
    readBody(http.request, bodyBytes, (body) => {
      if (body instanceof MicroError) return void this.#fail(http, body);
      try {
        const done =
          contentEncoding === '' ? proceed(body) : decompressed(body, contentEncoding, bodyBytes).then(proceed);
        done.catch((error: unknown) => this.#fail(http, error));
      } catch (error) {
        this.#fail(http, error);
      }
    });
  }

  #begin(http: HttpCall, { method }: Route): void {
    http.method = method;
    this.#metrics.callStarted('server');
  }

  #over(http: HttpCall): void {
    if (http.method) this.#metrics.callFinished('server', http.method.path, http.outcome, http.seconds);
    if (--this.#inFlight === 0) this.#drained?.();
  }

  /** Answers with an error. What is a fault of the platform or of a service is logged, under the trace that the caller is given. */
  #fail(http: HttpCall, thrown: unknown): void {
    const { code, detail, status, cause, id } = http.fail(thrown);
    const fields = {
      method: http.method?.path,
      trace: http.trace,
      code,
      id,
      detail,
      ...(cause === undefined ? {} : { error: cause }),
    };
    if (status === 500) this.#logger.error('request failed', fields);
    else this.#logger.debug('request failed', fields);
  }
}

interface Target {
  readonly url: string;
  /** As the request says it, with its port. */
  readonly host: string;
  readonly namespace: string;
  readonly timeoutMs: number;
}

/** A request target in origin form, as from the absolute form that proxies send (RFC 9112, section 3.2). */
function targetOf(url: string, host: string): { readonly url: string; readonly host: string } {
  if (url.startsWith('/')) return { url, host };
  if (url === '*') return { url: '/*', host };
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/is.exec(url);
  if (!absolute) throw new MicroError('invalid_argument', 'the request target is not a path', { id: 'api' });
  const [, authority = '', path = ''] = absolute;
  return { url: path.startsWith('/') ? path : `/${path}`, host: authority };
}

function pathOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}

/** Reads the envelope of `/rpc`; `request` may be JSON, or text that is JSON, which is how a form has it. */
function rpcRequest(
  body: Buffer,
  contentType: string,
): { readonly service: string; readonly endpoint: string; readonly request: Buffer } {
  const format = formatOf(contentType, body);
  const {
    service,
    endpoint,
    request = {},
  } = messageOf({ variables: [], query: '', body, format, contentType, bodyField: '*' }, undefined);
  if (typeof service !== 'string' || typeof endpoint !== 'string' || service === '' || endpoint === '') {
    throw new MicroError(
      'invalid_argument',
      'the body needs "service" and "endpoint", such as {"service":"helloworld","endpoint":"Helloworld.Call","request":{"name":"Alice"}}',
      { id: 'api' },
    );
  }
  return { service, endpoint, request: Buffer.from(typeof request === 'string' ? request : jsonText(request)) };
}
