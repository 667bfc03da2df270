import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { type ErrorDetail, MicroError } from '@micro/errors';
import { appendHeader, isOfOneHop, isProtocolHeader, unpadded } from '../connect-wire.js';
import { Metadata } from '../metadata.js';
import type { CallRuntime } from './call.js';

/** Headers of one field are limited in many clients; what an error says fits in this. */
const longestMessage = 4096;

/** `grpc-timeout` (gRPC over HTTP/2, "Requests") in milliseconds; undefined if it is malformed. */
export function parseTimeout(header: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header);
  if (!match) return undefined;
  return Math.ceil(Number(match[1]) * (milliseconds[match[2] as string] as number));
}

const milliseconds: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

export function metadataOfHeaders(headers: IncomingHttpHeaders): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || isProtocolHeader(name)) continue;
    for (const one of [value].flat()) appendHeader(metadata, name, one);
  }
  return metadata;
}

/** Adds metadata to headers or trailers of HTTP/2. Bytes go without padding, as the specification wants them; grpc-js would pad. */
export function addMetadata(headers: OutgoingHttpHeaders, metadata: Metadata): void {
  for (const [name, value] of metadata) {
    if (isProtocolHeader(name)) continue;
    const text = typeof value === 'string' ? value : unpadded(value);
    const before = headers[name];
    headers[name] = before === undefined ? text : [before, text].flat().map(String);
  }
}

/** Adds to the trailers what an error has beside its status. */
export function addError(headers: OutgoingHttpHeaders, error: MicroError, runtime: CallRuntime): void {
  headers['micro-error-id'] = runtime.errorId(error);
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(error.metadata)) {
    const name = key.toLowerCase();
    // What no header can carry must not cost the answer.
    if (!isOfOneHop(name)) for (const one of [value].flat()) appendHeader(metadata, name, one);
  }
  addMetadata(headers, metadata);
  if (error.details.length > 0) headers['grpc-status-details-bin'] = unpadded(encodeStatus(error));
}

/** An answer that is nothing but an error. */
export function statusHeaders(error: MicroError, runtime: CallRuntime): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    ':status': 200,
    'content-type': 'application/grpc+proto',
    'grpc-status': error.grpcStatus,
    'grpc-message': encodeURI(statusMessage(error)),
  };
  addError(headers, error, runtime);
  return headers;
}

/** The detail of an error as grpc-js can send it: well-formed Unicode, of a length that fits into a header. */
export function statusMessage(error: MicroError): string {
  const detail = error.detail.length > longestMessage ? `${error.detail.slice(0, longestMessage)}…` : error.detail;
  return Buffer.from(detail, 'utf8').toString('utf8');
}

/** google.rpc.Status {int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3}. */
export function encodeStatus(error: MicroError): Buffer {
  return Buffer.concat([
    Buffer.of(0x08, error.grpcStatus),
    field(2, Buffer.from(error.detail, 'utf8')),
    ...error.details.map((detail) => field(3, encodeAny(detail))),
  ]);
}

function encodeAny({ type, value }: ErrorDetail): Buffer {
  return Buffer.concat([field(1, Buffer.from(`type.googleapis.com/${type}`)), field(2, bufferOf(value))]);
}

function field(number: number, bytes: Buffer): Buffer {
  const head = [(number << 3) | 2];
  let length = bytes.length;
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return Buffer.concat([Buffer.from(head), bytes]);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
