import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { MicroError } from '@micro/errors';
import { type Address, type Listener, Platform } from '@micro/platform';
import { type HttpResponse, listenError, PlainLane, type PlainRequest } from '@micro/rpc';
import type { Logger } from '@micro/telemetry';
import { Injectable } from '@nestjs/common';
import { Gateway, type OwnRoutes } from './gateway.js';
import { ownRoutes } from './own-routes.js';
import { maxUrlLength } from './path.js';
import { Settings } from './settings.js';
import { metricsOfAll } from './worker-metrics.js';

/** Milliseconds for which an idle connection is kept: longer than load balancers keep theirs, so that it is they who close. */
const keepAliveMs = 75_000;
/** Milliseconds for which a refused connection is read on: closing it at once would take the answer away from a caller still sending. */
const lingerMs = 1_000;
/** Bytes of the headers, and of the body, of a request that is answered without node:http. */
const plainBytes = 32 * 1024;

/** The gateway's port: plain HTTP/1.1, every fault of the protocol answered with an error's JSON. */
@Injectable()
export class EdgeServer implements Listener {
  readonly #http: Server;
  readonly #plain: PlainLane;
  readonly #gateway: Gateway;
  readonly #own: OwnRoutes;
  readonly #logger: Logger;
  readonly #refused = new WeakSet<Socket>();
  /** Connections that have sent nothing yet. */
  readonly #silent = new Set<Socket>();
  #address: Address = { host: '127.0.0.1', port: 0 };
  #serving = false;

  constructor(gateway: Gateway, settings: Settings, platform: Platform) {
    this.#gateway = gateway;
    this.#logger = platform.logger;
    this.#own = ownRoutes({
      version: settings.version,
      ready: () => this.#serving,
      metrics: metricsOfAll(() => platform.metrics.render()),
    });
    const { headerBytes, headersMs, requestMs } = settings;
    this.#http = createServer(
      {
        // The request line is bounded by itself, so that a long URL is not answered as too many headers.
        maxHeaderSize: headerBytes + maxUrlLength,
        headersTimeout: headersMs,
        requestTimeout: requestMs,
        connectionsCheckingInterval: Math.min(headersMs, 5_000),
        keepAliveTimeout: keepAliveMs,
        requireHostHeader: false,
      },
      (request, response) => this.#handle(request, response),
    );
    const [handOver] = this.#http.listeners('connection') as [(socket: Socket) => void];
    this.#plain = new PlainLane({
      limits: { headBytes: Math.min(headerBytes, plainBytes), bodyBytes: plainBytes },
      keepAliveMs,
      take: (request, response) => {
        this.#handle(request, response);
        return true;
      },
      handOver: handOver.bind(this.#http),
    });
    this.#http.removeAllListeners('connection').on('connection', (socket: Socket) => this.#accept(socket, headersMs));
    this.#http.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
      this.#handle(request, response),
    );
    this.#http.on('checkExpectation', (_request, response: ServerResponse) => {
      refuse(
        response,
        new MicroError('invalid_argument', 'the only expectation that is met here is 100-continue', {
          id: 'api',
          status: 417,
        }),
      );
    });
    this.#http.on('connect', (_request, socket: Socket) => this.#refuse(socket, tunnel()));
    this.#http.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Socket) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') socket.destroy();
      else this.#refuse(socket, explain(error, headerBytes));
    });
  }

  /** Where it is to listen. */
  at(address: Address): this {
    this.#address = address;
    return this;
  }

  /** MicroError `unavailable` if the port is taken, `permission_denied` if it may not be used. */
  listen(): Promise<{ readonly host: string; readonly port: number }> {
    this.#gateway.warm();
    const { host, port } = this.#address;
    // A worker asks its supervisor for the port, over a channel that keeps no process alive.
    const alive = setInterval(() => undefined, 60_000);
    return new Promise<{ host: string; port: number }>((resolve, reject) => {
      this.#http.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, `${host}:${port}`)));
      this.#http.listen({ host, port, backlog: 4096 }, () => {
        this.#http.removeAllListeners('error');
        const bound = this.#http.address();
        if (bound === null || typeof bound === 'string') reject(new MicroError('internal', 'the gateway has no port'));
        else resolve({ host, port: bound.port });
      });
    }).finally(() => clearInterval(alive));
  }

  /** The gateway answers no RPC of its own. */
  services(): readonly [] {
    return [];
  }

  setServing(serving: boolean): void {
    this.#serving = serving;
  }

  async close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    this.#serving = false;
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const socket of this.#silent) socket.destroy();
    this.#plain.close();
    await this.#gateway.drained(graceMs);
    this.#http.closeIdleConnections();
    this.#http.closeAllConnections();
    this.#plain.destroy();
    await closed;
  }

  /** Waits for the first bytes of a connection: what they are says who reads it. */
  #accept(socket: Socket, headersMs: number): void {
    const silent = () => this.#refuse(socket, tooSlow());
    const decided = (first?: Buffer) => {
      this.#silent.delete(socket);
      socket.off('data', decided).off('end', ended).off('close', ended).off('timeout', silent).setTimeout(0);
      if (first) this.#plain.accept(socket, first);
    };
    const ended = () => {
      decided();
      socket.destroy();
    };
    this.#silent.add(socket);
    // For good: between two owners a reset must not be an uncaught error.
    socket.on('error', () => socket.destroy());
    socket.on('data', decided).on('end', ended).on('close', ended).on('timeout', silent).setTimeout(headersMs);
  }

  #handle(request: IncomingMessage | PlainRequest, response: HttpResponse): void {
    // Callers are told to go elsewhere with their next request.
    if (!this.#serving) response.shouldKeepAlive = false;
    this.#gateway.handle(request, response, this.#own);
  }

  /** Answers a connection that has no request to answer to, and closes it. */
  #refuse(socket: Socket, error: MicroError): void {
    if (this.#refused.has(socket) || socket.destroyed) return;
    this.#refused.add(socket);
    this.#logger.warn('connection refused', {
      peer: `${socket.remoteAddress}:${socket.remotePort}`,
      status: error.status,
      detail: error.detail,
    });
    if (!socket.writable) return void socket.destroy();
    const body = JSON.stringify(error);
    const head = ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`, 'connection: close'];
    socket.end(`HTTP/1.1 ${error.status} ${reasons[error.status] ?? 'Error'}\r\n${head.join('\r\n')}\r\n\r\n${body}`);
    socket.resume();
    setTimeout(() => socket.destroy(), lingerMs).unref();
  }
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
};

function refuse(response: ServerResponse, error: MicroError): void {
  const body = JSON.stringify(error);
  response
    .writeHead(error.status, [
      'content-type',
      'application/json',
      'content-length',
      String(Buffer.byteLength(body)),
      'connection',
      'close',
    ])
    .end(body);
}

function explain(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, headerBytes: number): MicroError {
  const options = { id: 'api', cause: error };
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new MicroError(
        'resource_exhausted',
        `the headers are larger than ${headerBytes} bytes, the limit of this gateway`,
        { ...options, status: 431 },
      );
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new MicroError('resource_exhausted', 'the extensions of the chunks are too large', {
        ...options,
        status: 413,
      });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return tooSlow(error);
    default:
      if (error.rawPacket?.toString('latin1', 0, 14) === 'PRI * HTTP/2.0') {
        return new MicroError(
          'invalid_argument',
          'this port speaks HTTP/1.1; gRPC and HTTP/2 are at the proxy',
          options,
        );
      }
      return new MicroError('invalid_argument', `this is not HTTP/1.1: ${error.message}`, options);
  }
}

function tooSlow(cause?: unknown): MicroError {
  return new MicroError('deadline_exceeded', 'the request was not complete in time: send it faster', {
    id: 'api',
    cause,
    status: 408,
  });
}

function tunnel(): MicroError {
  return new MicroError('unimplemented', 'this gateway makes no tunnels', { id: 'api', status: 405 });
}
