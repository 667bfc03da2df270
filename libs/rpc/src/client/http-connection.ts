import { connect, type Socket } from 'node:net';
import { MicroError } from '@micro/errors';
import { outsideCalls } from '../call-scope.js';
import { headerName, notInValue } from '../http-fields.js';
import type { Answer, RawRequest } from './exchange.js';
import { MalformedResponse, ResponseReader, type ResponseLimits } from './http-response.js';

export interface ConnectionOptions {
  readonly limits: ResponseLimits;
  /** Milliseconds in which it must be made. */
  readonly connectTimeout: number;
}

/** The one request that a connection carries. */
export interface ConnectionRequest {
  readonly method: 'GET' | 'POST';
  readonly request: RawRequest;
  /** The connection is there: the request is written now. */
  sending(): void;
  answered(answer: Answer): void;
  /** No answer comes. */
  failed(error: Error): void;
}

/** Whose connection it is. */
export interface ConnectionOwner {
  /** It can carry another request. Called before the answer to the last is handed over. */
  idle(connection: HttpConnection): void;
  /** It is closed, or about to be: of no use any more. Called once. */
  gone(connection: HttpConnection): void;
}

/** Milliseconds for which an idle connection is trusted where the peer does not say how long it keeps it. */
const keepAliveMs = 4_000;
/** Milliseconds before the end of that time from which it is not used: a request must not meet the peer's closing. */
const keepAliveMargin = 1_000;
/** Bytes up to which a body is written in one piece with its headers. */
const onePiece = 16 * 1024;
const readBytes = 64 * 1024;

/** A keep-alive HTTP/1.1 connection to a node, for one request at a time. Keeps a process alive only while it has one. */
export class HttpConnection {
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #host: string;
  readonly #options: ConnectionOptions;
  readonly #owner: ConnectionOwner;
  #connecting: NodeJS.Timeout | undefined;
  #current: ConnectionRequest | undefined;
  #reader: ResponseReader;
  #usableUntil = Number.POSITIVE_INFINITY;
  #error: Error | undefined;
  #gone = false;

  /** Begins to connect. `address`: host:port. */
  constructor(address: string, options: ConnectionOptions, owner: ConnectionOwner) {
    this.#host = address;
    this.#options = options;
    this.#owner = owner;
    this.#reader = new ResponseReader(options.limits);
    this.#connecting = setTimeout(
      () => this.#fail(connectTimeout(address, options.connectTimeout)),
      options.connectTimeout,
    );
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    // What is read is handed over in one and the same buffer: the reader copies what it keeps.
    const onread = {
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback: (size: number, buffer: Uint8Array) => this.#read(buffer as Buffer, size),
    };
    // A connection outlives the call that it was made for, and must not keep that call's context.
    this.#socket = outsideCalls(() => connect({ host, port: Number(address.slice(colon + 1)), noDelay: true, onread }));
    this.#socket.once('connect', () => this.#connected());
    this.#socket.on('error', (error) => (this.#error ??= error));
    this.#socket.once('end', () => this.#ended());
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#fail(this.#error ?? lost());
        resolve();
      });
    });
  }

  /** Whether it may take a request now. */
  usable(now: number): boolean {
    return !this.#gone && !this.#current && now < this.#usableUntil;
  }

  /** Sends a request, once it is connected. One that HTTP cannot carry fails with MicroError `invalid_argument`, and costs no connection. */
  send(request: ConnectionRequest): void {
    this.#current = request;
    this.#socket.ref();
    if (this.#connecting === undefined) this.#begin(request);
  }

  /** Takes back a request that has not been sent yet: the connection is made for others. */
  spare(request: ConnectionRequest): void {
    if (this.#current === request) this.#current = undefined;
  }

  /** Closes. What it carries fails with the reason; without one, it is not told. */
  close(reason?: Error): void {
    if (!reason) this.#current = undefined;
    this.#fail(reason ?? lost());
  }

  #connected(): void {
    clearTimeout(this.#connecting);
    this.#connecting = undefined;
    if (this.#current) this.#begin(this.#current);
    else this.#rest();
  }

  #begin(current: ConnectionRequest): void {
    let head: string;
    try {
      head = headOf(current, this.#host);
    } catch (error) {
      this.#current = undefined;
      this.#rest();
      return current.failed(error as Error);
    }
    current.sending();
    this.#write(head, current.request.body);
  }

  #write(head: string, body: Uint8Array): void {
    this.#reader = new ResponseReader(this.#options.limits);
    if (body.length <= onePiece) {
      // Latin-1 keeps every byte as it is.
      const text =
        body.length === 0 ? '' : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
      this.#socket.write(head + text, 'latin1');
    } else {
      this.#socket.cork();
      this.#socket.write(head, 'latin1');
      this.#socket.write(body);
      this.#socket.uncork();
    }
  }

  #read(buffer: Buffer, size: number): boolean {
    const current = this.#current;
    if (this.#gone) return true;
    if (!current || this.#connecting) {
      this.#fail(new MalformedResponse('the peer speaks without having been asked'));
      return true;
    }
    try {
      if (this.#reader.read(buffer.subarray(0, size))) this.#answer(current);
    } catch (error) {
      this.#fail(error as Error);
    }
    return true;
  }

  #ended(): void {
    if (this.#current && this.#reader.ended()) this.#answer(this.#current);
    this.#fail(lost());
  }

  #answer(current: ConnectionRequest): void {
    const { status, headers, body, reusable, keepAliveMs: hint } = this.#reader;
    this.#current = undefined;
    // An answer that came before the request was all written: what is left of that would be taken for the next one.
    if (reusable && this.#socket.writableLength === 0) {
      this.#usableUntil = performance.now() + (hint ?? keepAliveMs) - keepAliveMargin;
      this.#rest();
    } else {
      this.#fail(lost());
    }
    current.answered({ status, headers, body });
  }

  #rest(): void {
    this.#socket.unref();
    this.#owner.idle(this);
  }

  #fail(error: Error): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#connecting);
    const current = this.#current;
    this.#current = undefined;
    this.#socket.destroy();
    this.#owner.gone(this);
    current?.failed(error);
  }
}

/** Names that are the connection's business: a caller that could set them could make one request look like two. */
const reserved = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

function headOf({ method, request: { path, headers, body } }: ConnectionRequest, host: string): string {
  if (!/^\/[\x21-\x7e]*$/.test(path)) throw invalid(`${JSON.stringify(path.slice(0, 100))} is no path`);
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const raw = headers[index] as string;
    const value = headers[index + 1] as string;
    const name = headerName(raw);
    if (name === undefined || reserved.has(name))
      throw invalid(`metadata cannot be called ${JSON.stringify(raw.slice(0, 100))}`);
    if (notInValue.test(value)) throw invalid(`the value of ${name} holds characters that no header can carry`);
    head += `${name}: ${value}\r\n`;
  }
  return method === 'GET' ? `${head}\r\n` : `${head}content-length: ${body.length}\r\n\r\n`;
}

function invalid(detail: string): MicroError {
  return new MicroError('invalid_argument', `the request cannot be sent: ${detail}`);
}

function lost(): Error {
  return Object.assign(new Error('the node closed the connection'), { code: 'ECONNRESET' });
}

function connectTimeout(address: string, ms: number): Error {
  return Object.assign(new Error(`${address} did not take the connection within ${ms} ms`), { code: 'ETIMEDOUT' });
}
