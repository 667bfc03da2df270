import { MicroError } from '@micro/errors';
import type { Client, Dispatcher } from 'undici';
// The client alone loads in a third of the time and half the memory of undici's index, which brings fetch, WebSocket and caches along.
// @ts-expect-error -- a file of undici has no types of its own
import untypedClient from 'undici/lib/dispatcher/client.js';
import type { Exchange, ExchangeListener, RawRequest } from './exchange.js';

const UndiciClient = untypedClient as typeof Client;

export interface ConnectPoolOptions {
  /** Connections to the node at most; calls beyond that wait for one to be free. */
  readonly connections: number;
  /** Bytes of a response body at most. */
  readonly messageBytes: number;
  /** Milliseconds in which a connection must be made. */
  readonly connectTimeout: number;
}

/**
 * Keep-alive connections to one node, each with one request at a time. Requests wait here, not inside undici, so that one that is given up
 * before it was sent is simply dropped, and so that it is known of every failed one whether it may have reached the node.
 */
export class ConnectPool {
  readonly options: ConnectPoolOptions;
  readonly #origin: string;
  /** The one used last is taken first: what a burst opened falls idle, and is closed. */
  readonly #idle: Client[] = [];
  readonly #connections = new Set<Client>();
  #waiting: HttpExchange[] = [];
  #firstWaiting = 0;
  #closing = false;

  constructor(address: string, options: ConnectPoolOptions) {
    this.#origin = `http://${address}`;
    this.options = options;
  }

  send(request: RawRequest, listener: ExchangeListener, method: 'GET' | 'POST' = 'POST'): Exchange {
    const exchange = new HttpExchange(this, listener, request, method);
    const connection = this.#idle.pop() ?? this.#connect();
    if (connection) exchange.start(connection);
    else this.#waiting.push(exchange);
    return exchange;
  }

  /** Closes connections as they fall idle; requests under way, and those waiting, are still served. */
  close(): void {
    this.#closing = true;
    for (const connection of this.#idle.splice(0)) this.#drop(connection);
  }

  /** Breaks everything off; requests under way fail. */
  async destroy(): Promise<void> {
    this.#closing = true;
    const reason = new MicroError('canceled', 'the client was closed');
    for (let next = this.#nextWaiting(); next; next = this.#nextWaiting()) next.onError(reason);
    await Promise.all([...this.#connections].map((connection) => connection.destroy(reason)));
    this.#connections.clear();
  }

  /** @internal Takes back a connection whose request has ended. If it was closed, undici opens it anew for the next. */
  release(connection: Client): void {
    const next = this.#nextWaiting();
    if (next) next.start(connection);
    else if (this.#closing) this.#drop(connection);
    else this.#idle.push(connection);
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

  #connect(): Client | undefined {
    if (this.#connections.size >= this.options.connections) return undefined;
    const connection = new UndiciClient(this.#origin, {
      // Deadlines are the caller's business.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 64 * 1024,
      connect: { timeout: this.options.connectTimeout },
    });
    this.#connections.add(connection);
    return connection;
  }

  #drop(connection: Client): void {
    this.#connections.delete(connection);
    // One that is being destroyed cannot be closed as well.
    connection.close().catch(() => undefined);
  }
}

const nothing: Buffer = Buffer.alloc(0);

type Phase = 'waiting' | 'connecting' | 'sent' | 'over';

/** One request, as undici's handler of it: the older of its two handler interfaces, which hands out headers unparsed. */
class HttpExchange implements Exchange, Dispatcher.DispatchHandler {
  #phase: Phase = 'waiting';
  #status = 0;
  #headers: string[] = [];
  #size = 0;
  #body = nothing;
  #chunks: Buffer[] | undefined;
  #connection: Client | undefined;
  #abort: ((error?: Error) => void) | undefined;
  readonly #pool: ConnectPool;
  readonly #listener: ExchangeListener;
  readonly #request: RawRequest;
  readonly #method: 'GET' | 'POST';

  constructor(pool: ConnectPool, listener: ExchangeListener, request: RawRequest, method: 'GET' | 'POST') {
    this.#pool = pool;
    this.#listener = listener;
    this.#request = request;
    this.#method = method;
  }

  get waiting(): boolean {
    return this.#phase === 'waiting';
  }

  start(connection: Client): void {
    this.#phase = 'connecting';
    this.#connection = connection;
    const { path, headers, body } = this.#request;
    connection.dispatch({ path, method: this.#method, headers, body }, this);
  }

  cancel(): void {
    const phase = this.#phase;
    this.#phase = 'over';
    // While it connects there is nothing to take hold of: onConnect finds it over.
    if (phase === 'sent') this.#abort?.();
  }

  /** Called when the connection is there, immediately before the request is written. */
  onConnect(abort: (error?: Error) => void): void {
    if (this.#phase === 'over') return abort();
    this.#phase = 'sent';
    this.#abort = abort;
  }

  onHeaders(status: number, rawHeaders: Buffer[]): boolean {
    if (status < 200) return true;
    this.#status = status;
    this.#headers = flatHeaders(rawHeaders);
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.#size += chunk.length;
    if (this.#size > this.#pool.options.messageBytes) {
      this.#fail(
        new MicroError(
          'resource_exhausted',
          `the answer is larger than ${this.#pool.options.messageBytes} bytes, the limit of this client`,
        ),
      );
      this.#abort?.();
    } else if (this.#size === chunk.length) {
      this.#body = chunk;
    } else {
      (this.#chunks ??= [this.#body]).push(chunk);
    }
    return true;
  }

  onComplete(): void {
    this.#release();
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    const body = this.#chunks ? Buffer.concat(this.#chunks, this.#size) : this.#body;
    this.#listener.answered({ status: this.#status, headers: this.#headers, body });
  }

  onError(error: Error): void {
    this.#release();
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#phase === 'over') return;
    const sent = this.#phase === 'sent';
    this.#phase = 'over';
    this.#listener.failed(error, sent);
  }

  #release(): void {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    this.#pool.release(connection);
  }
}

/** Without what concerns only the connection, or is known from the body. */
function flatHeaders(raw: readonly Buffer[]): string[] {
  const headers: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] as Buffer).toString('latin1').toLowerCase();
    switch (name) {
      case 'connection':
      case 'content-length':
      case 'date':
      case 'keep-alive':
      case 'transfer-encoding':
        break;
      default:
        headers.push(name, (raw[index + 1] as Buffer).toString('latin1'));
    }
  }
  return headers;
}
