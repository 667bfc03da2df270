import type { Code } from '@micro/errors';
import type { BidiStream, ClientStream, Init, MethodTypes, ServerStream, ServiceDefinition, Unary } from '@micro/proto';
import type { Logger, Metrics } from '@micro/telemetry';
import type { Discovery } from '../discovery.js';
import type { Metadata, MetadataInit } from '../metadata.js';
import type { Cancellation } from './cancellation.js';
import type { EjectionOptions } from './ejection.js';
import type { RetryBudgetOptions } from './retry-budget.js';

export interface ClientOptions {
  readonly discovery: Discovery;
  /** Name of the service that calls, sent as `micro-from-service`. */
  readonly name?: string;
  /** Where services are looked for, outside of a call that comes with a namespace. Default `micro`. */
  readonly namespace?: string;
  /** Milliseconds a unary call may take, retries included. Default 5,000. */
  readonly timeout?: number;
  /** Where this process is: nodes near it are preferred. Default: nowhere, all nodes are alike. */
  readonly zone?: string;
  readonly region?: string;
  readonly retryBudget?: RetryBudgetOptions;
  readonly ejection?: EjectionOptions;
  readonly limits?: ClientLimits;
  /**
   * Compresses messages of this many bytes or more, by gzip, and asks for compressed answers. Default: neither, since within a network it
   * costs more time than it saves.
   */
  readonly compressFrom?: number;
  /** Hears of nodes ejected and back. */
  readonly logger?: Logger;
  readonly metrics?: Metrics;
}

export interface ClientLimits {
  /** Bytes of one message, sent or received, after decompression. Default 4 MiB. */
  readonly messageBytes?: number;
  /** Calls to one service under way at a time; one more is refused with `resource_exhausted`. Default 10,000. */
  readonly concurrentCalls?: number;
  /** HTTP/1.1 connections to one node; calls beyond that wait for a free one. Default 512. */
  readonly connectionsPerNode?: number;
}

export interface CallOptions {
  /** The service to call. Default: the package of the definition. */
  readonly service?: string;
  /** `host:port` to call instead of the service's nodes. */
  readonly address?: string;
  /**
   * Milliseconds; `Infinity` for no limit. Default of a unary call: the client's; of a stream: none. A call made while answering another
   * one ends with that one's deadline, if it is earlier.
   */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Sent with the request. Names that the wire itself uses are refused. */
  readonly metadata?: MetadataInit;
  /** Default: that of the call being answered, else the client's. */
  readonly namespace?: string;
  /** Gets the response headers, before the first message. */
  readonly onHeaders?: (headers: Metadata) => void;
  /** Gets the response trailers, after the last message; of an error as well. */
  readonly onTrailers?: (trailers: Metadata) => void;
}

/** A unary call passed on as it is. */
export interface ForwardRequest {
  readonly service: string;
  readonly namespace: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly contentType: 'application/json' | 'application/proto';
  /** Not compressed, unless `headers` say how. */
  readonly body: Uint8Array;
  /**
   * Further headers, flat: name, value, name, value …, names in lower case. Sent as they are: without those of the connection, of content
   * type and length, of Connect, and `micro-namespace`, which are made from the other fields.
   */
  readonly headers: readonly string[];
  /** Default: the client's. */
  readonly timeoutMs?: number;
  /** Whether calling twice is as good as calling once. */
  readonly idempotent: boolean;
  /** Cancels the call; a Cancellation is the cheaper of the two. */
  readonly signal?: AbortSignal | Cancellation;
}

/** A Connect answer (connectrpc.com/docs/protocol#unary-response), be it a success or an error. */
export interface ForwardResponse {
  readonly status: number;
  /** Flat, names in lower case, without those of the connection, `content-length` and `date`. Trailers have names that begin with `trailer-`. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** A call of any kind passed on over gRPC, its messages as they are. */
export interface ForwardStreamRequest {
  readonly service: string;
  readonly namespace: string;
  readonly path: string;
  readonly headers: Metadata;
  /** Encoded messages, not compressed. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Default: none. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | Cancellation;
}

export interface ForwardedStream {
  /** Never rejects: empty if the call ended without headers. */
  readonly headers: Promise<Metadata>;
  /** Ends with the call, however that ended; read one by one as they are asked for. Returning early cancels the call. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** How it ended: trailers of a success, or rejected with a MicroError whose `metadata` are the trailers. */
  readonly trailers: Promise<Metadata>;
}

/** The methods of a service, as functions. */
export type ClientOf<S> =
  S extends ServiceDefinition<infer M extends MethodTypes> ? { readonly [K in keyof M]: Call<M[K]> } : never;

/** Something to be sent, message by message. */
export type Messages<T> = AsyncIterable<T> | Iterable<T>;

export type Call<M> =
  M extends Unary<infer I, infer O>
    ? (request: Init<I>, options?: CallOptions) => Promise<O>
    : M extends ServerStream<infer I, infer O>
      ? (request: Init<I>, options?: CallOptions) => AsyncIterable<O>
      : M extends ClientStream<infer I, infer O>
        ? (requests: Messages<Init<I>>, options?: CallOptions) => Promise<O>
        : M extends BidiStream<infer I, infer O>
          ? (requests: Messages<Init<I>>, options?: CallOptions) => AsyncIterable<O>
          : never;

/** How a call ended, in metrics. */
export type CallOutcome = 'ok' | Code;
