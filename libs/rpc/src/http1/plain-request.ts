import type { Socket } from 'node:net';
import { headerName } from '../http-fields.js';

/** A request that was there as a whole when it was read. What it has in common with node:http's goes by the same names. */
export class PlainRequest {
  readonly httpVersionMinor = 1;
  readonly socket: Socket;
  readonly method: string;
  readonly url: string;
  /** Flat: name, value, name, value …, as they were sent. */
  readonly rawHeaders: string[];
  readonly body: Buffer;

  constructor(socket: Socket, { method, url, rawHeaders }: PlainRequestParts, body: Buffer) {
    this.socket = socket;
    this.method = method;
    this.url = url;
    this.rawHeaders = rawHeaders;
    this.body = body;
  }
}

/** A plain request at the beginning of what was read. */
export interface PlainRequestParts {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: string[];
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

export interface PlainLimits {
  /** Bytes of request line and headers. */
  readonly headBytes: number;
  /** Bytes of the body. */
  readonly bodyBytes: number;
}

const maxHeaders = 100;
const headEnd = Buffer.from('\r\n\r\n', 'latin1');
const requestLine = /^(GET|POST|PUT|PATCH|DELETE) (\/[\x21\x22\x24-\x7e]*) HTTP\/1\.1$/;
/** Stricter than HTTP, which would also take the bytes above 0x7f. */
const notPlain = /[^\t\x20-\x7e]/;
/** Headers that change what a message or a connection is, all but for the plain cases of `content-length`, `connection` and `host`. */
const meaningful = new Map<string, 'length' | 'connection' | 'host' | 'refuse'>([
  ['content-length', 'length'],
  ['connection', 'connection'],
  ['host', 'host'],
  ...[
    'expect',
    'http2-settings',
    'keep-alive',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ].map((name): [string, 'refuse'] => [name, 'refuse']),
]);

/**
 * The request at the beginning of `bytes`, if all of it is there and nothing about it is unusual; else undefined, and somebody who knows all
 * of HTTP has to look at it. Takes only what every reader of HTTP/1.1 (RFC 9112) reads in one and the same way: exact line ends, one host,
 * a body with one length or none, no codings, no expectations, keep-alive.
 */
export function readPlainRequest(bytes: Buffer, { headBytes, bodyBytes }: PlainLimits): PlainRequestParts | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0 || end > headBytes) return undefined;
  const head = bytes.toString('latin1', 0, end);
  let at = head.indexOf('\r\n');
  const line = requestLine.exec(at < 0 ? head : head.slice(0, at));
  if (!line) return undefined;
  const rawHeaders: string[] = [];
  let length = -1;
  let hosts = 0;
  let connections = 0;
  while (at >= 0) {
    const start = at + 2;
    at = head.indexOf('\r\n', start);
    const stop = at < 0 ? head.length : at;
    const colon = head.indexOf(':', start);
    if (colon < 0 || colon >= stop || rawHeaders.length >= 2 * maxHeaders) return undefined;
    const raw = head.slice(start, colon);
    const name = headerName(raw);
    if (name === undefined) return undefined;
    const value = trimmed(head, colon + 1, stop);
    if (notPlain.test(value)) return undefined;
    switch (meaningful.get(name)) {
      case 'refuse':
        return undefined;
      case 'length':
        // Blanks behind it: some readers refuse a tab there.
        if (length >= 0 || !/^\d{1,9}$/.test(value) || isBlank(head.charCodeAt(stop - 1))) return undefined;
        length = Number(value);
        break;
      case 'host':
        if (++hosts > 1) return undefined;
        break;
      case 'connection':
        if (++connections > 1 || value.toLowerCase() !== 'keep-alive') return undefined;
    }
    rawHeaders.push(raw, value);
  }
  const bodyStart = end + headEnd.length;
  const bodyEnd = bodyStart + Math.max(0, length);
  if (hosts === 0 || length > bodyBytes || bodyEnd > bytes.length) return undefined;
  return { method: line[1] as string, url: line[2] as string, rawHeaders, bodyStart, bodyEnd };
}

/** Without the blanks around it (RFC 9110, section 5.5). */
function trimmed(text: string, start: number, end: number): string {
  let first = start;
  let last = end;
  while (first < last && isBlank(text.charCodeAt(first))) first++;
  while (last > first && isBlank(text.charCodeAt(last - 1))) last--;
  return text.slice(first, last);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
