import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
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
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
]);

/** Request headers as a flat list for the Connect lane: what the caller sent, without what belongs to its own connection. */
export function passedOn(headers: IncomingHttpHeaders): string[] {
  const flat: string[] = [];
  for (const name in headers) {
    if (name.startsWith(':') || requestOwn.has(name)) continue;
    const value = headers[name];
    if (Array.isArray(value)) for (const one of value) flat.push(name, one);
    else if (value !== undefined) flat.push(name, value);
  }
  return flat;
}

/** A Connect answer's headers, split into what gRPC sends before the message and what it sends after. */
export function split(headers: readonly string[]): { leading: OutgoingHttpHeaders; trailing: OutgoingHttpHeaders } {
  const leading = noHeaders();
  const trailing = noHeaders();
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    const value = headers[index + 1] as string;
    if (name.startsWith('trailer-')) add(trailing, name.slice('trailer-'.length), value);
    else add(leading, name, value);
  }
  return { leading, trailing };
}

/** Request headers as metadata, for a call passed on over gRPC. */
export function metadataFrom(headers: IncomingHttpHeaders): Metadata {
  const flat = passedOn(headers);
  const metadata = new Metadata();
  for (let index = 0; index < flat.length; index += 2) metadata.append(flat[index] as string, flat[index + 1] as string);
  return metadata;
}

/** Metadata as HTTP/2 headers; bytes as base64 without padding, as gRPC sends them. */
export function toHeaders(metadata: Metadata): OutgoingHttpHeaders {
  const headers = noHeaders();
  for (const [name, value] of metadata) {
    add(headers, name, typeof value === 'string' ? value : Buffer.from(value).toString('base64').replace(/=+$/, ''));
  }
  return headers;
}

/** Without a prototype: a node may call a header `__proto__`. */
function noHeaders(): OutgoingHttpHeaders {
  return Object.create(null) as OutgoingHttpHeaders;
}

/** The status of a call is the proxy's to say. */
function add(headers: OutgoingHttpHeaders, name: string, value: string): void {
  if (name === '' || answerOwn.has(name) || name.startsWith('grpc-')) return;
  const there = headers[name];
  if (there === undefined) headers[name] = value;
  else headers[name] = Array.isArray(there) ? [...there, value] : [String(there), value];
}
