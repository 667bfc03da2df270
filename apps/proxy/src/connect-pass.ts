import type { IncomingMessage, ServerResponse } from 'node:http';
import { MicroError } from '@micro/errors';
import { Config } from '@micro/platform';
import { Cancellation, Client } from '@micro/rpc';
import { Injectable } from '@nestjs/common';
import { type Route, Routes } from './routes.js';
import { passedOn } from './wire-headers.js';

/** Connect unary calls over HTTP/1.1, JSON or binary, passed on by their method path as they are: what the CLI sends. */
@Injectable()
export class ConnectPass {
  readonly #client: Client;
  readonly #routes: Routes;
  /** Bytes of one message. */
  readonly #limit: number;

  constructor(client: Client, routes: Routes, config: Config) {
    this.#client = client;
    this.#routes = routes;
    this.#limit = config.limits.messageBytes;
  }

  /** Takes every HTTP/1.1 request for a path that looks like a method's. */
  readonly accept = (request: IncomingMessage, response: ServerResponse): boolean => {
    const path = (request.url ?? '').split('?', 1)[0] as string;
    if (!/^\/[\w.]+\/\w+$/.test(path)) return false;
    this.#pass(path, request, response).catch((error: unknown) =>
      answerError(response, MicroError.from(error, 'proxy')),
    );
    return true;
  };

  async #pass(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const contentType = codecOf(request);
    const route = await this.#routes.find(request.headers['micro-namespace'] as string | undefined, path);
    if (route.kind !== 'unary') {
      throw new MicroError('unimplemented', `${path} streams: call it over gRPC (HTTP/2)`, {
        id: 'proxy',
        status: 415,
      });
    }
    const body = await readBody(request, this.#limit);
    await this.#forward({ route, contentType, body }, request, response);
  }

  async #forward(
    call: { route: Route; contentType: Codec; body: Buffer },
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { route, contentType, body } = call;
    const cancellation = new Cancellation();
    response.once('close', () => {
      if (!response.writableFinished) cancellation.cancel();
    });
    const headers = passedOn(request.rawHeaders.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text)));
    for (const name of ['content-encoding', 'accept-encoding']) {
      const value = request.headers[name];
      if (typeof value === 'string') headers.push(name, value);
    }
    const answer = await this.#client.forward({
      ...route,
      contentType,
      body,
      headers,
      timeoutMs: timeoutOf(request),
      signal: cancellation,
    });
    response.writeHead(answer.status, [...answer.headers, 'content-length', String(answer.body.length)]);
    response.end(answer.body);
  }
}

type Codec = 'application/json' | 'application/proto';

function codecOf(request: IncomingMessage): Codec {
  if (request.method !== 'POST')
    throw new MicroError('unimplemented', 'calls are POST requests', { id: 'proxy', status: 405 });
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/proto') return type;
  // The second is what curl sends with -d, the third what it is called by some clients.
  if (type === 'application/json' || type === 'application/x-www-form-urlencoded' || type === '')
    return 'application/json';
  throw new MicroError(
    'invalid_argument',
    `content type ${String(type)} is not understood: use application/json or application/proto`,
    { id: 'proxy', status: 415 },
  );
}

function timeoutOf(request: IncomingMessage): number | undefined {
  const header = request.headers['connect-timeout-ms'];
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !/^\d{1,10}$/.test(header)) {
    throw new MicroError('invalid_argument', 'connect-timeout-ms is a whole number of milliseconds, up to ten digits', {
      id: 'proxy',
    });
  }
  return Number(header);
}

function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) return void chunks.push(chunk);
      request.removeAllListeners('data').resume();
      const detail = `the request has more than ${limit} bytes, the limit of this proxy (MICRO_MESSAGE_LIMIT)`;
      reject(new MicroError('resource_exhausted', detail, { id: 'proxy', status: 413 }));
    });
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => reject(new MicroError('canceled', 'the caller went away', { id: 'proxy' })));
  });
}

/** An error of the proxy's own, in Connect's form (connectrpc.com/docs/protocol#error-end-stream). */
function answerError(response: ServerResponse, error: MicroError): void {
  if (response.headersSent) return void response.destroy();
  const body = Buffer.from(JSON.stringify({ code: error.code, message: error.detail }));
  response.writeHead(error.status, {
    'content-type': 'application/json',
    'content-length': body.length,
    'micro-error-id': /^[\x20-\x7e]*$/.test(error.id) ? error.id : encodeURIComponent(error.id),
    ...(error.status === 405 ? { allow: 'POST' } : {}),
  });
  response.end(body);
}
