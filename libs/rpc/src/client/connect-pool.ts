import { MicroError } from '@micro/errors';
import type { Answer, Exchange, ExchangeListener, RawRequest } from './exchange.js';
import {
  type ConnectionOptions,
  type ConnectionOwner,
  type ConnectionRequest,
  HttpConnection,
} from './http-connection.js';

export interface ConnectPoolOptions {
  /** Connections to the node at most; calls beyond that wait for one to be free. */
  readonly connections: number;
  /** Bytes of a response body at most. */
  readonly messageBytes: number;
  /** Milliseconds in which a connection must be made. */
  readonly connectTimeout: number;
}

const headerBytes = 64 * 1024;

/** Keep-alive connections to one node, each with one request at a time, and the requests that wait for one. */
export class ConnectPool implements ConnectionOwner {
  readonly #address: string;
  readonly #connections = new Set<HttpConnection>();
  readonly #options: ConnectionOptions;
  readonly #limit: number;
  /** The one used last is taken first: what a burst opened falls idle, and is closed by the node. */
  #idle: HttpConnection[] = [];
  #waiting: HttpExchange[] = [];
  #firstWaiting = 0;
  #closing = false;

  constructor(address: string, { connections, messageBytes, connectTimeout }: ConnectPoolOptions) {
    this.#address = address;
    this.#limit = connections;
    this.#options = { connectTimeout, limits: { headerBytes, bodyBytes: messageBytes } };
  }

  send(request: RawRequest, listener: ExchangeListener, method: 'GET' | 'POST' = 'POST'): Exchange {
    const exchange = new HttpExchange(listener, request, method);
    const connection = this.#free() ?? this.#open();
    if (connection) exchange.start(connection);
    else this.#waiting.push(exchange);
    return exchange;
  }

  /** Closes connections as they fall idle; requests under way, and those waiting, are still served. */
  close(): void {
    this.#closing = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  /** Breaks everything off; requests under way fail. */
  async destroy(): Promise<void> {
    this.#closing = true;
    const reason = new MicroError('canceled', 'the client was closed');
    for (let next = this.#nextWaiting(); next; next = this.#nextWaiting()) next.failed(reason);
    const connections = [...this.#connections];
    for (const connection of connections) connection.close(reason);
    await Promise.all(connections.map(({ closed }) => closed));
  }

  /** @internal */
  idle(connection: HttpConnection): void {
    const next = this.#nextWaiting();
    if (next) next.start(connection);
    else if (this.#closing) connection.close();
    else this.#idle.push(connection);
  }

  /** @internal */
  gone(connection: HttpConnection): void {
    this.#connections.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    const next = this.#nextWaiting();
    if (next) next.start(this.#open() as HttpConnection);
  }

  #free(): HttpConnection | undefined {
    if (this.#idle.length === 0) return undefined;
    const now = performance.now();
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (connection.usable(now)) return connection;
      connection.close();
    }
    return undefined;
  }

  #open(): HttpConnection | undefined {
    if (this.#connections.size >= this.#limit) return undefined;
    const connection = new HttpConnection(this.#address, this.#options, this);
    this.#connections.add(connection);
    return connection;
  }

  #nextWaiting(): HttpExchange | undefined {
    while (this.#firstWaiting < this.#waiting.length) {
      const next = this.#waiting[this.#firstWaiting++] as HttpExchange;
      if (this.#firstWaiting === this.#waiting.length || this.#firstWaiting === 1024) {
        this.#waiting = this.#waiting.slice(this.#firstWaiting);
        this.#firstWaiting = 0;
      }
      if (next.waiting) return next;
    }
    return undefined;
  }
}

type Phase = 'waiting' | 'connecting' | 'sent' | 'over';

/** One request, and whether it may have reached the node. One that is given up before it was sent is simply dropped. */
class HttpExchange implements Exchange, ConnectionRequest {
  readonly method: 'GET' | 'POST';
  readonly request: RawRequest;
  readonly #listener: ExchangeListener;
  #phase: Phase = 'waiting';
  #connection: HttpConnection | undefined;

  constructor(listener: ExchangeListener, request: RawRequest, method: 'GET' | 'POST') {
    this.#listener = listener;
    this.request = request;
    this.method = method;
  }

  get waiting(): boolean {
    return this.#phase === 'waiting';
  }

  start(connection: HttpConnection): void {
    this.#phase = 'connecting';
    this.#connection = connection;
    connection.send(this);
  }

  cancel(): void {
    const phase = this.#phase;
    this.#phase = 'over';
    if (phase === 'connecting') this.#connection?.spare(this);
    else if (phase === 'sent') this.#connection?.close();
  }

  sending(): void {
    this.#phase = 'sent';
  }

  answered(answer: Answer): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#listener.answered(answer);
  }

  failed(error: Error): void {
    if (this.#phase === 'over') return;
    const sent = this.#phase === 'sent';
    this.#phase = 'over';
    this.#listener.failed(error, sent);
  }
}
