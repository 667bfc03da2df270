import type { IncomingMessage, ServerResponse } from 'node:http';
import { MicroError } from '@micro/errors';
import type { PlainRequest } from '../http1/plain-request.js';
import type { HttpResponse } from '../http1/plain-response.js';
import type { BoundMethod, CallRuntime } from './call.js';
import { ConnectCall } from './connect-call.js';
import { connectErrorBody, connectStatus, errorHeaders } from '../connect-wire.js';

/** Takes a plain HTTP/1 request; true if it did. */
export type HttpRoute = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface ConnectLaneOptions {
  readonly runtime: CallRuntime;
  /** Method by path. */
  readonly find: (path: string) => BoundMethod | undefined;
  /** Tried in order for a path that is no method's. */
  readonly routes: readonly HttpRoute[];
}

/** Unary calls of the Connect protocol over HTTP/1.1, and plain HTTP beside them. */
export class ConnectLane {
  readonly #runtime: CallRuntime;
  readonly #find: (path: string) => BoundMethod | undefined;
  readonly #routes: readonly HttpRoute[];

  constructor(options: ConnectLaneOptions) {
    this.#runtime = options.runtime;
    this.#find = options.find;
    this.#routes = options.routes;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url as string;
    const mark = url.indexOf('?');
    const bound = this.#find(mark < 0 ? url : url.slice(0, mark));
    if (this.#runtime.closing) response.shouldKeepAlive = false;
    if (bound) return this.#call(bound, request, response);
    for (const route of this.#routes) if (route(request, response)) return;
    refuse(response, new MicroError('unimplemented', notFound(request), { id: this.#runtime.name, status: 404 }));
  }

  /** Answers a call that there is nothing unusual about; false, with nothing done, for any other request. */
  handlePlain(request: PlainRequest, response: HttpResponse): boolean {
    if (request.method !== 'POST') return false;
    const bound = this.#find(request.url);
    if (!bound?.handler || bound.method.kind !== 'unary') return false;
    if (this.#runtime.closing) response.shouldKeepAlive = false;
    new ConnectCall(bound.method, bound.handler, this.#runtime, { request, response }).take(request.body);
    return true;
  }

  /** As `handle`, of a request that waits for leave to send its body: a body over the limit gets none. */
  handleExpecting(request: IncomingMessage, response: ServerResponse): void {
    const tooLarge = Number(request.headers['content-length']) > this.#runtime.limits.messageBytes;
    if (!tooLarge || !this.#find(request.url as string)) response.writeContinue();
    this.handle(request, response);
  }

  #call({ method, handler }: BoundMethod, request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'POST') {
      if (method.kind !== 'unary') return refuse(response, this.#streaming(method.path));
      if (!handler) return refuse(response, this.#unimplemented(method.path));
      return new ConnectCall(method, handler, this.#runtime, { request, response }).read(request);
    }
    const get = method.kind === 'unary' && method.idempotency === 'noSideEffects';
    if (!get || request.method !== 'GET') {
      const allow = get ? 'GET, POST' : 'POST';
      const detail = `${method.path} is called by ${allow.replace(', ', ' or ')}, not ${request.method}`;
      return refuse(
        response,
        new MicroError('unknown', detail, { id: this.#runtime.name, status: 405, metadata: { allow } }),
      );
    }
    if (!handler) return refuse(response, this.#unimplemented(method.path));
    const url = request.url as string;
    const mark = url.indexOf('?');
    new ConnectCall(method, handler, this.#runtime, { request, response }).query(mark < 0 ? '' : url.slice(mark + 1));
  }

  #unimplemented(path: string): MicroError {
    return new MicroError('unimplemented', `${path} is not implemented by ${this.#runtime.name}`, {
      id: this.#runtime.name,
    });
  }

  #streaming(path: string): MicroError {
    return new MicroError('unimplemented', `${path} is a stream: call it over gRPC`, {
      id: this.#runtime.name,
      status: 415,
    });
  }
}

/** Answers a request that is no call with an error in Connect's form. */
function refuse(response: ServerResponse, error: MicroError): void {
  const body = JSON.stringify(connectErrorBody(error));
  const headers = errorHeaders(error, encodeURI(error.id));
  headers.push('content-type', 'application/json', 'content-length', `${Buffer.byteLength(body)}`);
  response.writeHead(connectStatus(error), headers).end(body);
}

function notFound(request: IncomingMessage): string {
  const path = (request.url as string).slice(0, 200);
  return `there is no ${request.method} ${path} here: a method is called by POST /<package>.<Service>/<Method>`;
}
