import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { MicroError } from '@micro/errors';
import { PlainLane } from '../http1/plain-lane.js';
import type { PlainRequest } from '../http1/plain-request.js';
import type { HttpResponse } from '../http1/plain-response.js';

export interface OnePortOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly http1: (request: IncomingMessage, response: ServerResponse) => void;
  /** Requests that can be answered without node:http; false for one that cannot. */
  readonly plain: (request: PlainRequest, response: HttpResponse) => boolean;
  /** Takes over a connection that begins with the HTTP/2 preface; what was read of it has been put back. */
  readonly http2: (socket: Socket) => void;
  /** Of node:http: limits and timeouts. */
  readonly httpOptions: ServerOptions & { readonly maxHeaderSize: number; readonly keepAliveTimeout: number };
  /** Milliseconds that a new connection may stay silent. */
  readonly firstByteMs: number;
}

/** First bytes of every HTTP/2 connection (RFC 9113, section 3.4); no HTTP/1 method is called PRI. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const decisive = 'PRI '.length;
/** Bytes of the headers, and of the body, of a request that is answered without node:http. */
const plainBytes = 32 * 1024;

/**
 * A port that speaks HTTP/1.1 and HTTP/2 without TLS. Built on the HTTP/1 server itself, whose own connection listener is called for what is no
 * plain HTTP/1.1, so that its timeouts and its tracking of connections stay in force.
 */
export class OnePort {
  readonly http: Server;
  readonly #options: OnePortOptions;
  readonly #undecided = new Set<Socket>();
  readonly #http2 = new Set<Socket>();
  readonly #plain: PlainLane;

  constructor(options: OnePortOptions) {
    this.#options = options;
    this.http = createServer(options.httpOptions, options.http1);
    const [http1] = this.http.listeners('connection') as [(socket: Socket) => void];
    const { keepAliveTimeout, maxHeaderSize } = options.httpOptions;
    this.#plain = new PlainLane({
      limits: { headBytes: Math.min(maxHeaderSize, plainBytes), bodyBytes: plainBytes },
      keepAliveMs: keepAliveTimeout,
      take: options.plain,
      handOver: http1.bind(this.http),
    });
    this.http.removeAllListeners('connection');
    this.http.on('connection', (socket: Socket) => this.#sniff(socket));
  }

  /** Resolves to where it listens. MicroError `unavailable` if the port is taken, `permission_denied` if it may not be used. */
  listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.http.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, `${host}:${port}`)));
      this.http.listen({ host, port, backlog: 4096 }, () => {
        this.http.removeAllListeners('error');
        const bound = this.http.address();
        if (bound === null || typeof bound === 'string')
          return reject(new MicroError('internal', 'the server has no port'));
        resolve({ host, port: bound.port });
      });
    });
  }

  /** Takes no more connections and closes those with nothing under way; resolves when the last one is gone. */
  close(): Promise<void> {
    for (const socket of this.#undecided) socket.destroy();
    this.#plain.close();
    return new Promise((resolve) => this.http.close(() => resolve()));
  }

  /** Cuts every connection. */
  destroy(): void {
    this.http.closeAllConnections();
    this.#plain.destroy();
    for (const socket of this.#http2) socket.destroy();
  }

  #sniff(socket: Socket): void {
    const first: Buffer[] = [];
    let length = 0;
    const decided = () => {
      this.#undecided.delete(socket);
      socket.off('data', onData).off('timeout', drop).off('close', decided);
      socket.setTimeout(0);
    };
    const drop = () => socket.destroy();
    // For good: between two owners a reset must not be an uncaught error.
    socket.on('error', drop);
    const onData = (chunk: Buffer) => {
      first.push(chunk);
      length += chunk.length;
      const bytes = first.length === 1 ? chunk : Buffer.concat(first);
      const compared = Math.min(length, preface.length);
      const matches = preface.compare(bytes, 0, compared, 0, compared) === 0;
      if (matches && length < decisive) return;
      decided();
      if (!matches) return this.#plain.accept(socket, bytes);
      socket.pause();
      socket.unshift(bytes);
      this.#http2.add(socket);
      socket.once('close', () => this.#http2.delete(socket));
      this.#options.http2(socket);
    };
    this.#undecided.add(socket);
    socket.on('data', onData).on('timeout', drop).on('close', decided);
    socket.setTimeout(this.#options.firstByteMs);
  }
}

/** Why a port cannot be listened on, and what to do. */
export function listenError(error: NodeJS.ErrnoException, address: string): MicroError {
  if (error.code === 'EADDRINUSE') {
    return new MicroError(
      'unavailable',
      `cannot listen on ${address}: the port is in use; stop what uses it, or choose another (MICRO_ADDRESS)`,
      { cause: error },
    );
  }
  if (error.code === 'EACCES') {
    return new MicroError(
      'permission_denied',
      `cannot listen on ${address}: ports below 1024 need privileges; choose another (MICRO_ADDRESS)`,
      { cause: error },
    );
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new MicroError('invalid_argument', `cannot listen on ${address}: this machine has no such address`, {
      cause: error,
    });
  }
  return new MicroError('internal', `cannot listen on ${address}: ${error.message}`, { cause: error });
}
