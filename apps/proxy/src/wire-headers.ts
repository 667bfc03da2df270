import { Metadata } from '@micro/rpc';

/** Headers that concern one hop or one protocol, and are made anew for the next. */
const requestOwn = new Set([
  'accept-encoding',
  'connect-protocol-version',
  'connect-timeout-ms',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-timeout',
  'host',
  'http2-settings',
  'keep-alive',
  'micro-namespace',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const answerOwn = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'http2-settings',
  'keep-alive',
  'micro-error-id',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
]);

/** What of a request's headers is passed on over the Connect lane, names in lower case. All lists are flat: name, value, name, value … */
export function passedOn(headers: readonly string[]): string[] {
  const passed: string[] = [];
  let cookies = '';
  let named: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string;
    const value = headers[index + 1] as string;
    if (name === 'connection')
      named = value
        .toLowerCase()
        .split(',')
        .map((one) => one.trim());
    if (name.charCodeAt(0) === colon || requestOwn.has(name)) continue;
    // HTTP/2 may cut a cookie into pieces, which HTTP/1.1 has in one (RFC 9113, section 8.2.3).
    if (name === 'cookie') cookies = cookies === '' ? value : `${cookies}; ${value}`;
    else passed.push(name, value);
  }
  if (cookies !== '') passed.push('cookie', cookies);
  // HTTP/1.1 names headers of one hop in `connection` (RFC 9110, section 7.6.1).
  return named.length === 0
    ? passed
    : passed.filter((_, index) => !named.includes(passed[index - (index % 2)] as string));
}

const colon = 0x3a;

/** A Connect answer's headers, split into what gRPC sends before the message and what it sends after. */
export function split(headers: readonly string[]): { leading: string[]; trailing: string[] } {
  const leading: string[] = [];
  const trailing: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string;
    const value = headers[index + 1] as string;
    if (name.startsWith('trailer-')) add(trailing, name.slice('trailer-'.length), value);
    else add(leading, name, value);
  }
  return { leading, trailing };
}

/** Request headers as metadata, for a call passed on over gRPC. */
export function metadataFrom(headers: readonly string[]): Metadata {
  const flat = passedOn(headers);
  const metadata = new Metadata();
  for (let index = 0; index < flat.length; index += 2)
    metadata.append(flat[index] as string, flat[index + 1] as string);
  return metadata;
}

/** Metadata as HTTP/2 headers; bytes as base64 without padding, as gRPC sends them. */
export function toHeaders(metadata: Metadata): string[] {
  const headers: string[] = [];
  for (const [name, value] of metadata) {
    add(headers, name, typeof value === 'string' ? value : Buffer.from(value).toString('base64').replace(/=+$/, ''));
  }
  return headers;
}

/** The status of a call is the proxy's to say. */
function add(headers: string[], name: string, value: string): void {
  if (name === '' || answerOwn.has(name) || name.startsWith('grpc-')) return;
  headers.push(name, value);
}
