import { codeFromGrpc, type ErrorDetail, MicroError } from '@micro/errors';
import { metadataOf, notProcessed } from '../connect-wire.js';
import { Metadata } from '../metadata.js';
import { codeOfHttp, decodedId, errorIdHeader } from './connect-answer.js';

/** How a call over gRPC ended. */
export interface GrpcOutcome {
  readonly error: MicroError | undefined;
  readonly trailers: Metadata;
  /** The node's fault, not the handler's answer: the connection was lost, or what came was not gRPC. */
  readonly fault?: 'reset' | 'malformed';
  /** The node has not begun to process the call (RFC 9113, section 8.7). */
  readonly refused?: boolean;
}

/** What becomes part of the error. */
const statusNames = ['grpc-status', 'grpc-message', 'grpc-status-details-bin', errorIdHeader];

/** Metadata of raw headers or trailers (name, value, name, value …), without those of the protocol. */
export function grpcMetadata(raw: readonly string[]): Metadata {
  const metadata = metadataOf(raw);
  for (const name of statusNames) metadata.delete(name);
  return metadata;
}

/** The outcome that trailers tell (PROTOCOL-HTTP2, "Responses"), `headers` being those that came before. */
export function outcomeOf(raw: readonly string[], httpStatus: number, headers: Metadata): GrpcOutcome {
  const trailers = grpcMetadata(raw);
  const status = valueOf(raw, 'grpc-status');
  if (status === '0') return { error: undefined, trailers };
  const metadata = new Metadata(headers);
  for (const [name, value] of trailers) metadata.append(name, value);
  const options = { id: decodedId(valueOf(raw, errorIdHeader)), metadata: metadata.delete(notProcessed).toJSON() };
  if (status === undefined || !/^\d+$/.test(status)) {
    if (httpStatus !== 200)
      return {
        error: new MicroError(codeOfHttp(httpStatus), `the service answered with HTTP status ${httpStatus}`, options),
        trailers,
      };
    const detail =
      status === undefined
        ? 'the call ended without a gRPC status'
        : `the call ended with the gRPC status ${JSON.stringify(status)}`;
    return { error: new MicroError('internal', detail, options), trailers };
  }
  const details = statusDetails(valueOf(raw, 'grpc-status-details-bin'));
  return {
    error: new MicroError(codeFromGrpc(Number(status)), percentDecoded(valueOf(raw, 'grpc-message') ?? ''), {
      ...options,
      details,
    }),
    trailers,
  };
}

/** First value of a raw header. */
export function valueOf(raw: readonly string[], name: string): string | undefined {
  for (let index = 0; index + 1 < raw.length; index += 2) if (raw[index] === name) return raw[index + 1];
  return undefined;
}

/** `grpc-timeout`: at most eight digits and a unit. */
export function grpcTimeout(ms: number): string {
  const whole = Math.max(1, Math.floor(ms));
  if (whole < 1e8) return `${whole}m`;
  return `${Math.min(Math.floor(whole / 1000), 99_999_999)}S`;
}

/** `grpc-message`, as far as it is encoded as it should be; the rest is left as it came. */
function percentDecoded(message: string): string {
  if (!message.includes('%')) return message;
  const bytes: number[] = [];
  for (let index = 0; index < message.length; index++) {
    const hex = message.slice(index + 1, index + 3);
    if (message[index] === '%' && /^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      index += 2;
    } else {
      bytes.push(message.charCodeAt(index) & 0xff);
    }
  }
  return Buffer.from(bytes).toString('utf8');
}

/** The `details` of a google.rpc.Status in base64; none if it cannot be read. */
function statusDetails(encoded: string | undefined): ErrorDetail[] {
  if (encoded === undefined) return [];
  try {
    const details = fieldsOf(Buffer.from(encoded, 'base64')).filter(({ field }) => field === 3);
    return details.map(({ bytes }) => {
      const any = fieldsOf(bytes);
      const url = any.find(({ field }) => field === 1)?.bytes.toString('utf8') ?? '';
      const value = any.find(({ field }) => field === 2)?.bytes ?? new Uint8Array();
      return { type: url.slice(url.lastIndexOf('/') + 1), value: new Uint8Array(value) };
    });
  } catch {
    return [];
  }
}

/** The length-delimited fields of a message: all that Status and Any have beside the code. */
function fieldsOf(message: Buffer): { field: number; bytes: Buffer }[] {
  const fields: { field: number; bytes: Buffer }[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message.readUInt8(at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const length = varint();
    if ((tag & 7) === 0) continue;
    if ((tag & 7) !== 2 || at + length > message.length) throw new RangeError('not a google.rpc.Status');
    fields.push({ field: tag >>> 3, bytes: message.subarray(at, at + length) });
    at += length;
  }
  return fields;
}
