import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { headerName, notInValue } from '../http-fields.js';

/** What we ask of a response, node:http's or our own. */
export interface HttpResponse {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  /** Whether the connection is kept for another request; to be decided before the headers are written. */
  shouldKeepAlive: boolean;
  /** `headers`: flat. Throws, with nothing written, for names and values that no header can have. */
  writeHead(status: number, headers: string[]): this;
  /** False: wait for `drain`. */
  write(data: string | Uint8Array): boolean;
  end(data?: string | Uint8Array, encoding?: BufferEncoding): this;
  writeContinue(): void;
  destroy(): this;
  /** `close`: the answer is written, or its caller has gone; `writableEnded` tells which. */
  on(event: 'close' | 'drain', listener: () => void): this;
  once(event: 'close' | 'drain', listener: () => void): this;
  off(event: 'close' | 'drain', listener: () => void): this;
}

/** Whose response it is. */
export interface ResponseOwner {
  readonly socket: Socket;
  /** Seconds for which the connection is kept, as callers are told. */
  readonly keepAliveSeconds: number;
  /** Whether every answer ends its connection. */
  readonly closing: boolean;
  /** The answer is complete. */
  answered(response: PlainResponse): void;
}

/** Bytes up to which a body is written in one piece with its headers. */
const onePiece = 16 * 1024;

/** The answer to a plain request. Small ones are one write. */
export class PlainResponse implements HttpResponse {
  headersSent = false;
  writableEnded = false;
  destroyed = false;
  shouldKeepAlive = true;
  readonly #owner: ResponseOwner;
  #head = '';
  /** Of the body, where the headers say so. */
  #length = -1;
  #bodiless = false;
  #dated = false;
  /** The head has been handed to the socket, and pieces follow. */
  #begun = false;
  #closed: (() => void) | undefined;
  #others: (() => void)[] | undefined;

  constructor(owner: ResponseOwner) {
    this.#owner = owner;
  }

  writeHead(status: number, headers: string[]): this {
    if (this.headersSent) throw new Error('the headers have been written already');
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    let length = -1;
    let dated = false;
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const raw = headers[index] as string;
      const value = headers[index + 1] as string;
      const name = headerName(raw);
      if (name === undefined) throw new TypeError(`a header cannot be called ${JSON.stringify(raw.slice(0, 100))}`);
      if (notInValue.test(value)) throw new TypeError(`the value of ${name} holds characters that no header can carry`);
      if (name === 'content-length') length = Number(value);
      else if (name === 'date') dated = true;
      else if (name === 'transfer-encoding') continue;
      else if (name === 'connection') {
        if (value.toLowerCase() === 'close') this.shouldKeepAlive = false;
        continue;
      }
      head += `${raw}: ${value}\r\n`;
    }
    this.#head = head;
    this.#length = length;
    this.#dated = dated;
    this.#bodiless = status === 204 || status === 304;
    this.headersSent = true;
    return this;
  }

  write(data: string | Uint8Array): boolean {
    if (this.destroyed || this.writableEnded) return false;
    if (!this.headersSent) this.writeHead(200, []);
    const { socket } = this.#owner;
    if (!this.#begun) {
      this.#begun = true;
      socket.write(
        this.#headText(this.#length < 0 && !this.#bodiless ? 'transfer-encoding: chunked\r\n' : ''),
        'latin1',
      );
    }
    return this.#piece(data);
  }

  end(data?: string | Uint8Array, encoding: BufferEncoding = 'utf8'): this {
    if (this.destroyed || this.writableEnded) return this;
    if (!this.headersSent) this.writeHead(200, []);
    this.writableEnded = true;
    const { socket } = this.#owner;
    if (this.#begun) {
      if (data !== undefined && data.length > 0) this.#piece(data);
      if (this.#length < 0 && !this.#bodiless) socket.write('0\r\n\r\n', 'latin1');
    } else {
      this.#whole(data, encoding);
    }
    this.#close();
    this.#owner.answered(this);
    return this;
  }

  /** Nobody who is read as a whole was asked to wait. */
  writeContinue(): void {}

  destroy(): this {
    this.#owner.socket.destroy();
    return this;
  }

  on(event: 'close' | 'drain', listener: () => void): this {
    if (event === 'drain') this.#owner.socket.on('drain', listener);
    else if (!this.#closed) this.#closed = listener;
    else (this.#others ??= []).push(listener);
    return this;
  }

  once(event: 'close' | 'drain', listener: () => void): this {
    if (event === 'drain') this.#owner.socket.once('drain', listener);
    else this.on(event, listener);
    return this;
  }

  off(event: 'close' | 'drain', listener: () => void): this {
    if (event === 'drain') this.#owner.socket.off('drain', listener);
    else if (this.#closed === listener) this.#closed = undefined;
    else this.#others = this.#others?.filter((other) => other !== listener);
    return this;
  }

  /** The connection is gone. */
  lost(): void {
    this.destroyed = true;
    this.#close();
  }

  #close(): void {
    const closed = this.#closed;
    const others = this.#others;
    this.#closed = undefined;
    this.#others = undefined;
    closed?.();
    if (others) for (const other of others) other();
  }

  #whole(data: string | Uint8Array | undefined, encoding: BufferEncoding): void {
    const { socket } = this.#owner;
    if (data === undefined || this.#bodiless) {
      socket.write(this.#headText(this.#length < 0 && !this.#bodiless ? 'content-length: 0\r\n' : ''), 'latin1');
      return;
    }
    const body = typeof data === 'string' ? (encoding === 'latin1' ? data : Buffer.from(data, encoding)) : data;
    const head = this.#headText(this.#length < 0 ? `content-length: ${body.length}\r\n` : '');
    if (typeof body === 'string') socket.write(head + body, 'latin1');
    // Latin-1 keeps every byte as it is.
    else if (body.length <= onePiece)
      socket.write(head + Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1');
    else {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
    }
  }

  #piece(data: string | Uint8Array): boolean {
    const { socket } = this.#owner;
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (bytes.length === 0) return true;
    if (this.#bodiless) return true;
    if (this.#length >= 0) return socket.write(bytes);
    socket.cork();
    socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1');
    socket.write(bytes);
    const more = socket.write('\r\n', 'latin1');
    socket.uncork();
    return more;
  }

  #headText(framing: string): string {
    const date = this.#dated ? '' : `date: ${now()}\r\n`;
    const { closing, keepAliveSeconds } = this.#owner;
    const kept =
      this.shouldKeepAlive && !closing
        ? `connection: keep-alive\r\nkeep-alive: timeout=${keepAliveSeconds}\r\n`
        : 'connection: close\r\n';
    return `${this.#head}${framing}${date}${kept}\r\n`;
  }
}

let second = 0;
let date = '';

/** The time as a header has it (RFC 9110, section 5.6.7). */
function now(): string {
  const ms = Date.now();
  if (ms - second >= 1_000 || ms < second) {
    second = ms - (ms % 1_000);
    date = new Date(second).toUTCString();
  }
  return date;
}
