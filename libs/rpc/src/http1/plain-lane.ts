import type { Socket } from 'node:net';
import { type PlainLimits, PlainRequest, readPlainRequest } from './plain-request.js';
import { PlainResponse, type ResponseOwner } from './plain-response.js';

export interface PlainLaneOptions {
  readonly limits: PlainLimits;
  /** Milliseconds for which a connection without a request is kept. */
  readonly keepAliveMs: number;
  /** Answers a request; false, with nothing done about it: it is left to `handOver`. */
  readonly take: (request: PlainRequest, response: PlainResponse) => boolean;
  /** Takes over a connection for good. What was read of it and not answered has been put back. */
  readonly handOver: (socket: Socket) => void;
}

/** Bytes that are read ahead of the request under way. */
const readAhead = 64 * 1024;
/** Milliseconds between two looks at how long connections have been idle. */
const sweepMs = 5_000;
/** Milliseconds that what has been written gets to be sent when all connections are cut. */
const flushMs = 500;

/**
 * HTTP/1.1 for the requests that nearly all requests are: small, complete, and without anything unusual. They cost a third of what node:http
 * takes for them. A connection that brings anything else belongs to node:http from that request on, with its limits, its timeouts and its answers.
 */
export class PlainLane {
  readonly options: PlainLaneOptions;
  readonly #connections = new Set<PlainConnection>();
  #sweep: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(options: PlainLaneOptions) {
    this.options = options;
  }

  /** Serves a connection, of which `first` has been read. Who gives it listens to its errors. */
  accept(socket: Socket, first: Buffer): void {
    this.#sweep ??= setInterval(() => this.#closeIdle(performance.now() - this.options.keepAliveMs), sweepMs).unref();
    const connection = new PlainConnection(this, socket);
    this.#connections.add(connection);
    connection.read(first);
  }

  /** Whether answers end their connections. */
  get closing(): boolean {
    return this.#closing;
  }

  forget(connection: PlainConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  /** Closes what is idle at once, and every other connection with its answer. */
  close(): void {
    this.#closing = true;
    this.#closeIdle(Number.POSITIVE_INFINITY);
  }

  /** Cuts every connection. What has been written is still sent, unless its caller does not read it: nobody waits for him longer than `flushMs`. */
  destroy(): void {
    for (const connection of [...this.#connections]) connection.socket.destroySoon();
    if (this.#connections.size === 0) return;
    setTimeout(() => {
      for (const connection of [...this.#connections]) connection.socket.destroy();
    }, flushMs).unref();
  }

  #closeIdle(since: number): void {
    for (const connection of [...this.#connections]) if (connection.idleSince < since) connection.socket.destroySoon();
  }
}

/** A connection, of one request at a time. */
class PlainConnection implements ResponseOwner {
  readonly socket: Socket;
  readonly keepAliveSeconds: number;
  /** On the monotonic clock; infinite while there is a request. */
  idleSince = Number.POSITIVE_INFINITY;
  readonly #lane: PlainLane;
  #current: PlainResponse | undefined;
  /** What was read and not looked at yet. */
  #rest: Buffer | undefined;
  #reading = false;
  #ending = false;
  readonly #onData = (chunk: Buffer) => this.read(chunk);
  readonly #onEnd = () => void this.socket.end();
  readonly #onClose = () => {
    this.#lane.forget(this);
    this.#current?.lost();
  };
  readonly #onDrain = () => this.#proceed();

  constructor(lane: PlainLane, socket: Socket) {
    this.#lane = lane;
    this.socket = socket;
    this.keepAliveSeconds = Math.floor(lane.options.keepAliveMs / 1_000);
    socket.setNoDelay(true);
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
  }

  get closing(): boolean {
    return this.#lane.closing;
  }

  read(chunk: Buffer): void {
    this.#rest = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#current && !this.socket.writableNeedDrain) return this.#requests();
    if (this.#rest.length > readAhead) this.socket.pause();
  }

  answered(response: PlainResponse): void {
    if (this.#current !== response) return;
    this.#current = undefined;
    if (!response.shouldKeepAlive || this.closing) {
      this.#ending = true;
      this.#rest = undefined;
      this.socket.destroySoon();
    } else if (!this.#reading) this.#proceed();
  }

  /** Goes on with what was read ahead, unless the caller has yet to read what he was answered. */
  #proceed(): void {
    if (this.#current || this.#ending) return;
    if (this.socket.writableNeedDrain) {
      this.socket.off('drain', this.#onDrain).once('drain', this.#onDrain);
      return;
    }
    if (this.#rest) this.#requests();
    else this.idleSince = performance.now();
    if (!this.#current) this.socket.resume();
  }

  /** Answers one request after the other, until one takes its time. */
  #requests(): void {
    const { limits, take } = this.#lane.options;
    this.#reading = true;
    while (this.#rest && !this.#current && !this.#ending && !this.socket.writableNeedDrain) {
      const bytes = this.#rest;
      const parts = readPlainRequest(bytes, limits);
      if (!parts) return this.#handOver(bytes);
      const { bodyStart, bodyEnd } = parts;
      const response = new PlainResponse(this);
      this.#current = response;
      this.idleSince = Number.POSITIVE_INFINITY;
      this.#rest = bodyEnd < bytes.length ? bytes.subarray(bodyEnd) : undefined;
      if (!take(new PlainRequest(this.socket, parts, bytes.subarray(bodyStart, bodyEnd)), response)) {
        this.#current = undefined;
        return this.#handOver(bytes);
      }
    }
    this.#reading = false;
    if (this.#current || this.#ending) return;
    // Also without a rest: what comes while an answer is still being read is looked at once it has been.
    if (this.#rest || this.socket.writableNeedDrain) this.#proceed();
    else this.idleSince = performance.now();
  }

  #handOver(bytes: Buffer): void {
    const { socket } = this;
    this.#reading = false;
    this.#ending = true;
    this.#rest = undefined;
    this.#lane.forget(this);
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose).off('drain', this.#onDrain);
    if (socket.destroyed) return;
    socket.pause();
    socket.unshift(bytes);
    this.#lane.options.handOver(socket);
    socket.resume();
  }
}
