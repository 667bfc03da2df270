import type {
  BidiStream,
  ClientStream,
  Init,
  MethodDefinition,
  MethodTypes,
  ServerStream,
  ServiceDefinition,
  Unary,
} from '@micro/proto';
import type { Metadata } from './metadata.js';

/** What a handler knows of the call it answers. */
export interface CallContext {
  readonly method: MethodDefinition;
  /** What came with the request. */
  readonly metadata: Metadata;
  /** Aborts when the caller cancels, goes away, or the deadline passes. Its reason is a MicroError. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch; undefined if the caller set none. */
  readonly deadline: number | undefined;
  /** Metadata `micro-namespace`; default `micro`. */
  readonly namespace: string;
  /** Metadata `micro-from-service`: the name of the calling service, if it said so. */
  readonly from: string | undefined;
  /** `host:port` of the caller's socket. */
  readonly peer: string;
  /** Sent before the first response message. */
  readonly responseHeaders: Metadata;
  /**
   * Sends `responseHeaders` now, though there is no message yet: what the caller of a stream gets them from is in force. Of a unary call they go
   * with its answer.
   */
  sendHeaders(): void;
  /** Sent after the last response message, with the status. */
  readonly responseTrailers: Metadata;
}

/** What implements a method: a function from its request, or requests, to its response, or responses. */
export type Handler<M> =
  M extends Unary<infer I, infer O>
    ? (request: I, context: CallContext) => Init<O> | Promise<Init<O>>
    : M extends ServerStream<infer I, infer O>
      ? (request: I, context: CallContext) => AsyncIterable<Init<O>>
      : M extends ClientStream<infer I, infer O>
        ? (requests: AsyncIterable<I>, context: CallContext) => Promise<Init<O>>
        : M extends BidiStream<infer I, infer O>
          ? (requests: AsyncIterable<I>, context: CallContext) => AsyncIterable<Init<O>>
          : never;

/** Handlers of a service by local method name. Methods left out answer `unimplemented`. */
export type Handlers<S> =
  S extends ServiceDefinition<infer M extends MethodTypes> ? { readonly [K in keyof M]?: Handler<M[K]> } : never;
