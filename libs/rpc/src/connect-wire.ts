import { type Code, codes, type MicroError } from '@micro/errors';
import { Metadata, type MetadataValue } from './metadata.js';

/** How the Connect protocol (connectrpc.com/docs/protocol) puts errors and metadata into HTTP/1.1. Used by both of its ends. */

/** Header, or gRPC trailer, of an error that no handler has seen the call of: whatever the method does, it may be called again elsewhere. */
export const notProcessed = 'micro-not-processed';

/** Body of a failed unary call. */
export interface ConnectErrorBody {
  readonly code: Code;
  readonly message?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

export function connectErrorBody(error: MicroError): ConnectErrorBody {
  const { code, detail, details } = error;
  if (details.length === 0) return { code, message: detail };
  return { code, message: detail, details: details.map(({ type, value }) => ({ type, value: unpadded(value) })) };
}

/** HTTP status of an error: that of its code, unless it says a more precise one. */
export function connectStatus(error: MicroError): number {
  return error.status >= 400 && error.status <= 599 ? error.status : codes[error.code].http;
}

/** Raw headers of an error: who raised it, and its metadata. */
export function errorHeaders(error: MicroError, id: string): string[] {
  const rawHeaders = ['micro-error-id', id];
  for (const [name, value] of Object.entries(error.metadata)) {
    const own = name === 'allow' || name === 'accept-post';
    if (own || !isOfOneHop(name.toLowerCase())) for (const one of [value].flat()) rawHeaders.push(name, one);
  }
  return rawHeaders;
}

/** Headers that belong to HTTP or to the protocol, not to the call. */
const protocolHeaders = new Set([
  'accept',
  'accept-encoding',
  'accept-post',
  'allow',
  'connect-accept-encoding',
  'connect-content-encoding',
  'connect-protocol-version',
  'connect-timeout-ms',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'expect',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-timeout',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Whether a header, in lower case, is HTTP's or the protocol's own: no metadata can have its name. */
export function isProtocolHeader(name: string): boolean {
  return name.startsWith(':') || protocolHeaders.has(name);
}

/** Whether metadata of an error stays where it is: an error that a handler hands on is not one that no handler has seen. */
export function isOfOneHop(name: string): boolean {
  return name === notProcessed || isProtocolHeader(name);
}

/**
 * Metadata from raw headers (name, value, name, value …). Headers that metadata cannot hold, such as cookies in UTF-8, are left out: they
 * are nothing that a caller of ours sends.
 */
export function metadataOf(rawHeaders: readonly string[]): Metadata {
  const metadata = new Metadata();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase();
    if (!isProtocolHeader(name)) appendHeader(metadata, name, rawHeaders[index + 1] as string);
  }
  return metadata;
}

/** Appends one header. Several values of a `-bin` header may come joined by commas, which base64 does not have. */
export function appendHeader(metadata: Metadata, name: string, value: string): void {
  try {
    if (name.endsWith('-bin')) for (const one of value.split(',')) metadata.append(name, one.trim());
    else metadata.append(name, value);
  } catch {
    // Not metadata.
  }
}

/** Appends metadata to raw headers, under names with this prefix; names of the protocol's own are skipped. */
export function pushHeaders(
  rawHeaders: string[],
  metadata: Iterable<readonly [string, MetadataValue]>,
  prefix = '',
): void {
  for (const [name, value] of metadata) {
    if (!isProtocolHeader(name)) rawHeaders.push(prefix + name, typeof value === 'string' ? value : unpadded(value));
  }
}

/** Base64 without padding: what Connect and gRPC send. */
export function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64').replace(/=+$/, '');
}
