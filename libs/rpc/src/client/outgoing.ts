import { gzip } from 'node:zlib';
import type { Init, Message, MessageCodec } from '@micro/proto';
import { childTraceparent } from '@micro/telemetry';
import { pushHeaders } from '../connect-wire.js';
import type { CallScope } from '../call-scope.js';
import { Metadata } from '../metadata.js';
import type { CallOptions, Messages } from './options.js';
import type { UnaryRequest } from './unary-call.js';

/** What a client says of itself with every call. */
export interface Identity {
  readonly name: string;
  readonly namespace: string;
}

/** Names of what the platform knows better than the caller's metadata, which often is that of another call, handed on. */
const own = ['micro-namespace', 'micro-from-service', 'traceparent', 'tracestate'];

/**
 * Appends the headers of a call, the same on both lanes: namespace, who calls, trace context, the caller's metadata. The trace goes on from
 * the call that is being answered, else from a `traceparent` in the metadata, else begins here.
 */
export function callHeaders(
  headers: string[],
  identity: Identity,
  namespace: string,
  { options, current }: { readonly options: CallOptions; readonly current: CallScope | undefined },
): void {
  headers.push('micro-namespace', namespace);
  if (identity.name !== '') headers.push('micro-from-service', identity.name);
  const metadata = options.metadata === undefined ? undefined : new Metadata(options.metadata);
  const trace = current?.metadata ?? metadata;
  headers.push('traceparent', childTraceparent(trace?.get('traceparent')));
  const state = trace?.get('tracestate');
  if (state !== undefined) headers.push('tracestate', state);
  if (!metadata) return;
  for (const name of own) metadata.delete(name);
  pushHeaders(headers, metadata);
}

/** Milliseconds of `performance.now()` at which a call must be over: in `timeout`, and not after the call that is being answered. */
export function deadlineOf(timeout: number, now: number, current: CallScope | undefined): number {
  const deadline = now + timeout;
  return current?.deadline === undefined ? deadline : Math.min(deadline, now + current.deadline - Date.now());
}

/** The request with a body of `from` bytes or more compressed, asking for a compressed answer. */
export function compressed(request: UnaryRequest, from: number): Promise<UnaryRequest> {
  const headers = [...request.headers, 'accept-encoding', 'gzip'];
  if (request.body.length < from) return Promise.resolve({ ...request, headers });
  return gzipped(request.body).then((body) => ({
    ...request,
    body,
    headers: [...headers, 'content-encoding', 'gzip'],
  }));
}

export function gzipped(bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => gzip(bytes, (error, result) => (error ? reject(error) : resolve(result))));
}

/** Messages as bytes, one by one as they are taken. */
export async function* encoded<I extends Message>(
  messages: Messages<Init<I>>,
  codec: MessageCodec<I>,
): AsyncGenerator<Uint8Array> {
  for await (const message of messages) yield codec.encode(message);
}
