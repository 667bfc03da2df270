import { headerName, notInValue } from '../http-fields.js';
import { tooLarge } from './connect-answer.js';

export interface ResponseLimits {
  /** Bytes of the status line and the headers at most; of the trailers as well. */
  readonly headerBytes: number;
  /** Bytes of the body at most. */
  readonly bodyBytes: number;
}

/** The peer sent something that is not HTTP/1.1. The connection is of no use any more: where the next answer begins is not known. */
export class MalformedResponse extends Error {
  override readonly name = 'MalformedResponse';
}

type Part = 'head' | 'length' | 'end' | 'chunk size' | 'chunk' | 'chunk end' | 'trailers' | 'complete';

/** Interim responses before the real one; a peer that sends more does not mean to answer. */
const maxInterim = 16;
/** Bytes of the line that gives a chunk's size, with its extensions. */
const maxSizeLine = 1024;

const nothing: Buffer = Buffer.alloc(0);
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const headEnd = Buffer.from('\r\n\r\n', 'latin1');

/**
 * Reads responses to POST and GET requests (RFC 9112) from pieces of any size. Strict where reading differently from others would let one
 * answer pass for two: lines end with CRLF, a length is given once, and nothing but `chunked` is understood as transfer coding.
 */
export class ResponseReader {
  status = 0;
  /** Flat, names in lower case, without those that concern the connection or the framing. */
  headers: string[] = [];
  body: Buffer = nothing;
  /** Whether the connection can carry another request. */
  reusable = true;
  /** Milliseconds for which the peer keeps an idle connection, if it says so. */
  keepAliveMs: number | undefined;
  readonly #limits: ResponseLimits;
  #part: Part = 'head';
  /** Beginning of a head, or of a line, whose end has not come yet. */
  #pending: Buffer = nothing;
  #interim = 0;
  #size = 0;
  /** Bytes that are missing of the body, or of the chunk. */
  #missing = 0;
  #pieces: Buffer[] = [];
  #trailerBytes = 0;

  constructor(limits: ResponseLimits) {
    this.#limits = limits;
  }

  /**
   * Takes what has come; true once the response is complete. Keeps no reference to the bytes. Throws MalformedResponse, and MicroError
   * `resource_exhausted` for a body that is too large.
   */
  read(bytes: Buffer): boolean {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#part === 'complete') throw new MalformedResponse('bytes came after the end of the response');
      rest = this.#step(rest);
    }
    return this.#part === 'complete';
  }

  /** The peer has closed its side; true if that is how the response ends. */
  ended(): boolean {
    if (this.#part !== 'end') return false;
    this.#finish();
    return true;
  }

  /** Reads some of the bytes and returns the others. */
  #step(bytes: Buffer): Buffer {
    switch (this.#part) {
      case 'head':
        return this.#readHead(bytes);
      case 'length':
      case 'chunk':
        return this.#readData(bytes);
      case 'end':
        this.#grow(bytes.length);
        this.#pieces.push(Buffer.from(bytes));
        return nothing;
      default:
        return this.#readLine(bytes);
    }
  }

  #readHead(bytes: Buffer): Buffer {
    const head = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const end = head.indexOf(headEnd, Math.max(0, this.#pending.length - 3));
    if ((end < 0 ? head.length : end) > this.#limits.headerBytes) {
      throw new MalformedResponse(`the headers are larger than ${this.#limits.headerBytes} bytes`);
    }
    if (end < 0) {
      this.#pending = head === bytes ? Buffer.from(bytes) : head;
      return nothing;
    }
    this.#pending = nothing;
    this.#parseHead(head.toString('latin1', 0, end));
    return head.subarray(end + headEnd.length);
  }

  #parseHead(head: string): void {
    const lineEnd = head.indexOf('\r\n');
    const line = statusLine.exec(lineEnd < 0 ? head : head.slice(0, lineEnd));
    if (!line) throw new MalformedResponse('the peer does not speak HTTP/1.1');
    this.status = Number(line[2]);
    this.reusable = line[1] === '1';
    this.headers = [];
    const framing = lineEnd < 0 ? {} : this.#parseHeaders(head, lineEnd + 2);
    if (this.status >= 200) return this.#beginBody(framing);
    if (this.status === 101 || ++this.#interim > maxInterim)
      throw new MalformedResponse(`the peer answers ${this.status}, which was not asked for`);
  }

  #parseHeaders(head: string, from: number): Framing {
    const framing: Framing = {};
    for (let at = from; at < head.length;) {
      const found = head.indexOf('\r\n', at);
      const end = found < 0 ? head.length : found;
      const colon = head.indexOf(':', at);
      const name = colon < 0 || colon > end ? undefined : headerName(head.slice(at, colon));
      if (name === undefined) throw new MalformedResponse('a header has no valid name');
      const value = trimmed(head, colon + 1, end);
      if (notInValue.test(value)) throw new MalformedResponse(`header ${name} holds control characters`);
      this.#header(name, value, framing);
      at = end + 2;
    }
    return framing;
  }

  #header(name: string, value: string, framing: Framing): void {
    switch (name) {
      case 'content-length':
        if (!/^\d{1,15}$/.test(value) || (framing.length !== undefined && framing.length !== Number(value))) {
          throw new MalformedResponse('the content-length is none');
        }
        framing.length = Number(value);
        break;
      case 'transfer-encoding':
        if (framing.chunked || value.toLowerCase() !== 'chunked')
          throw new MalformedResponse(`transfer-encoding ${JSON.stringify(value)} was not asked for`);
        framing.chunked = true;
        break;
      case 'connection':
        if (/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value)) this.reusable = false;
        break;
      case 'keep-alive': {
        const seconds = /(?:^|[, \t])timeout=(\d{1,6})/i.exec(value)?.[1];
        if (seconds !== undefined) this.keepAliveMs = Number(seconds) * 1000;
        break;
      }
      case 'date':
      case 'trailer':
        break;
      default:
        this.headers.push(name, value);
    }
  }

  #beginBody({ length, chunked }: Framing): void {
    if (chunked && length !== undefined)
      throw new MalformedResponse('the response has a content-length and is chunked');
    if (this.status === 204 || this.status === 304 || (length === 0 && !chunked)) {
      this.#part = 'complete';
    } else if (chunked) {
      this.#part = 'chunk size';
    } else if (length === undefined) {
      this.#part = 'end';
      this.reusable = false;
    } else {
      this.#grow(length);
      this.#missing = length;
      this.#part = 'length';
    }
  }

  #readData(bytes: Buffer): Buffer {
    const taken = Math.min(bytes.length, this.#missing);
    this.#pieces.push(Buffer.from(bytes.subarray(0, taken)));
    this.#missing -= taken;
    if (this.#missing === 0) {
      if (this.#part === 'length') this.#finish();
      else this.#part = 'chunk end';
    }
    return bytes.subarray(taken);
  }

  /** Reads a line of the chunked coding (RFC 9112, section 7.1). */
  #readLine(bytes: Buffer): Buffer {
    const end = bytes.indexOf(10);
    const piece = end < 0 ? bytes : bytes.subarray(0, end + 1);
    const line = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece]);
    if (line.length > maxSizeLine && this.#part !== 'trailers')
      throw new MalformedResponse('the line of a chunk is too long');
    if (line.length + this.#trailerBytes > this.#limits.headerBytes)
      throw new MalformedResponse('the trailers are too large');
    if (end < 0) {
      this.#pending = line === bytes ? Buffer.from(bytes) : line;
      return nothing;
    }
    this.#pending = nothing;
    const text = line.toString('latin1');
    if (!text.endsWith('\r\n')) throw new MalformedResponse('a line of the chunked coding ends without CR');
    this.#chunkLine(text.slice(0, -2));
    return bytes.subarray(end + 1);
  }

  #chunkLine(line: string): void {
    if (this.#part === 'chunk size') {
      const size = /^([0-9a-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i.exec(line)?.[1];
      if (size === undefined) throw new MalformedResponse('the size of a chunk is none');
      this.#missing = Number.parseInt(size, 16);
      this.#grow(this.#missing);
      this.#part = this.#missing === 0 ? 'trailers' : 'chunk';
    } else if (this.#part === 'chunk end') {
      if (line !== '') throw new MalformedResponse('a chunk is longer than its size');
      this.#part = 'chunk size';
    } else if (line === '') {
      this.#finish();
    } else {
      // Connect has its trailers among the headers: these are read only to get past them.
      this.#trailerBytes += line.length + 2;
    }
  }

  #grow(bytes: number): void {
    this.#size += bytes;
    if (this.#size > this.#limits.bodyBytes) throw tooLarge(this.#limits.bodyBytes);
  }

  #finish(): void {
    this.#part = 'complete';
    const [first = nothing] = this.#pieces;
    this.body = this.#pieces.length > 1 ? Buffer.concat(this.#pieces) : first;
  }
}

interface Framing {
  length?: number;
  chunked?: boolean;
}

/** A part of the text without the blanks around it. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(character: number): boolean {
  return character === 0x20 || character === 0x09;
}
