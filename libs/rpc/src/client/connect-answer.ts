import { gunzip } from 'node:zlib';
import { type Code, type ErrorDetail, isCode, MicroError } from '@micro/errors';
import type { JsonValue, Message, MessageCodec } from '@micro/proto';
import { appendHeader, connectErrorBody, connectStatus, isProtocolHeader, notProcessed } from '../connect-wire.js';
import { Metadata } from '../metadata.js';
import { type Answer, headerOf } from './exchange.js';
import type { CallOptions } from './options.js';

/** Header under which the wire carries the `id` of an error. */
export const errorIdHeader = 'micro-error-id';

const trailerPrefix = 'trailer-';

/** The message of an answer, or its error thrown; headers and trailers given to whom they are wanted by. */
export function readAnswer<O extends Message>(
  answer: Answer,
  codec: MessageCodec<O>,
  options: CallOptions,
  limit: number,
): O | Promise<O> {
  if (options.onHeaders || options.onTrailers) reportMetadata(answer, options);
  if (answer.status !== 200) return failed(answer, limit);
  const body = bodyOf(answer, 'application/proto', limit);
  return body instanceof Promise ? body.then((bytes) => decoded(bytes, codec)) : decoded(body, codec);
}

export async function readJsonAnswer(answer: Answer, options: CallOptions, limit: number): Promise<JsonValue> {
  reportMetadata(answer, options);
  if (answer.status !== 200) return failed(answer, limit);
  const body = await bodyOf(answer, 'application/json', limit);
  try {
    return JSON.parse(body.toString('utf8')) as JsonValue;
  } catch (error) {
    throw new MicroError('internal', 'the service answered with something that is not JSON', { cause: error });
  }
}

/** An answer that came over gRPC as the Connect answer that it would have been. */
export function bridged(answer: Answer): Answer {
  const { error } = answer;
  if (!error) return answer;
  const headers = ['content-type', 'application/json', errorIdHeader, error.id];
  for (let index = 0; index + 1 < answer.headers.length; index += 2) {
    const name = answer.headers[index] as string;
    if (name !== 'content-type') headers.push(name, answer.headers[index + 1] as string);
  }
  return { status: connectStatus(error), headers, body: Buffer.from(JSON.stringify(connectErrorBody(error))) };
}

/** Trailers are headers with a prefix (connectrpc.com/docs/protocol#unary-response). */
function metadataOf(answer: Answer): { headers: Metadata; trailers: Metadata } {
  const headers = new Metadata();
  const trailers = new Metadata();
  for (let index = 0; index + 1 < answer.headers.length; index += 2) {
    const name = answer.headers[index] as string;
    const value = answer.headers[index + 1] as string;
    if (name.startsWith(trailerPrefix)) appendHeader(trailers, name.slice(trailerPrefix.length), value);
    else if (!isProtocolHeader(name)) appendHeader(headers, name, value);
  }
  return { headers, trailers };
}

function reportMetadata(answer: Answer, { onHeaders, onTrailers }: CallOptions): void {
  const { headers, trailers } = metadataOf(answer);
  onHeaders?.(headers);
  onTrailers?.(trailers);
}

function decoded<O extends Message>(bytes: Uint8Array, codec: MessageCodec<O>): O {
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw new MicroError('internal', `the service answered with something that is not a ${codec.name}`, {
      cause: error,
    });
  }
}

/** The body of a successful answer, decompressed; throws if it is not what was asked for. */
function bodyOf(answer: Answer, contentType: string, limit: number): Buffer | Promise<Buffer> {
  const type = headerOf(answer.headers, 'content-type');
  if (type !== contentType && baseType(type) !== contentType) {
    const code = baseType(type).startsWith('application/') ? 'internal' : 'unknown';
    throw new MicroError(
      code,
      `the service answered ${JSON.stringify(type ?? '')} instead of ${contentType}: does it speak Connect?`,
    );
  }
  return decompressed(answer, limit);
}

function decompressed(answer: Answer, limit: number): Buffer | Promise<Buffer> {
  const encoding = headerOf(answer.headers, 'content-encoding');
  if (encoding === undefined || encoding === 'identity') return answer.body;
  if (encoding !== 'gzip')
    throw new MicroError(
      'internal',
      `the service answered with content encoding ${JSON.stringify(encoding)}, which was not asked for`,
    );
  return gunzipped(answer.body, limit);
}

/** `resource_exhausted` past `limit` bytes, without having made more than that. */
export function gunzipped(bytes: Uint8Array, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(bytes, { maxOutputLength: Math.max(1, limit) }, (error: (Error & { code?: string }) | null, result) => {
      if (!error) resolve(result);
      else if (error.code === 'ERR_BUFFER_TOO_LARGE') reject(tooLarge(limit));
      else
        reject(
          new MicroError('internal', 'the service answered with something that is not valid gzip', { cause: error }),
        );
    });
  });
}

export function tooLarge(limit: number): MicroError {
  return new MicroError('resource_exhausted', `the answer is larger than ${limit} bytes, the limit of this client`);
}

/** Rejects with the error that an answer with a status other than 200 is. */
async function failed(answer: Answer, limit: number): Promise<never> {
  throw answer.error ?? (await errorOf(answer, limit));
}

/** The error that a failed Connect answer is. */
export async function errorOf(answer: Answer, limit: number): Promise<MicroError> {
  const id = decodedId(headerOf(answer.headers, errorIdHeader));
  const { headers, trailers } = metadataOf(answer);
  for (const [name, value] of trailers) headers.append(name, value);
  const options = { id, metadata: headers.delete(errorIdHeader).delete(notProcessed).toJSON() };
  const json = baseType(headerOf(answer.headers, 'content-type')) === 'application/json';
  const body = json ? errorBody((await decompressed(answer, limit)).toString('utf8')) : {};
  const message = typeof body.message === 'string' ? body.message : undefined;
  if (!isCode(body.code))
    return new MicroError(
      codeOfHttp(answer.status),
      message ?? `the service answered with HTTP status ${answer.status}`,
      options,
    );
  return new MicroError(body.code, message ?? '', {
    ...options,
    status: statusOf(answer.status),
    details: detailsOf(body.details),
  });
}

/** Ids that no header can carry travel percent-encoded. */
export function decodedId(id: string | undefined): string | undefined {
  try {
    return id && decodeURIComponent(id);
  } catch {
    return id;
  }
}

/** The body of a failed call, as far as it is one. */
function errorBody(text: string): { code?: unknown; message?: unknown; details?: unknown } {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null ? body : {};
  } catch {
    return {};
  }
}

/** The code that stands for a bare HTTP status (connectrpc.com/docs/protocol#http-to-error-code); gRPC's table is the same. */
export function codeOfHttp(status: number): Code {
  switch (status) {
    case 400:
      return 'internal';
    case 401:
      return 'unauthenticated';
    case 403:
      return 'permission_denied';
    case 404:
      return 'unimplemented';
    case 429:
    case 502:
    case 503:
    case 504:
      return 'unavailable';
    default:
      return 'unknown';
  }
}

function statusOf(status: number): number | undefined {
  return status >= 400 && status <= 599 ? status : undefined;
}

function detailsOf(details: unknown): ErrorDetail[] {
  if (!Array.isArray(details)) return [];
  return details.flatMap((detail: { type?: unknown; value?: unknown } | null) =>
    typeof detail?.type === 'string' && typeof detail.value === 'string'
      ? [{ type: detail.type, value: new Uint8Array(Buffer.from(detail.value, 'base64')) }]
      : [],
  );
}

function baseType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
