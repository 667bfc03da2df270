import { MicroError } from '@micro/errors';
import type { Message, MessageCodec } from '@micro/proto';
import type { CallOptions } from './options.js';
import type { StreamCall } from './stream-call.js';

/**
 * The response messages of a streaming call, which begins when the first one is asked for. Returning early cancels it, also while a message
 * is being waited for, which a generator could not.
 */
export class StreamResponses<O extends Message> implements AsyncIterableIterator<O> {
  readonly #begin: () => StreamCall;
  readonly #codec: MessageCodec<O>;
  readonly #options: CallOptions;
  #call: StreamCall | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #done = false;

  constructor(begin: () => StreamCall, codec: MessageCodec<O>, options: CallOptions) {
    this.#begin = begin;
    this.#codec = codec;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<O>> {
    const next = this.#last.then(() => this.#next());
    this.#last = next.catch(() => undefined);
    return next;
  }

  return(): Promise<IteratorResult<O>> {
    this.#done = true;
    this.#call?.cancel(new MicroError('canceled', 'the reader of the stream has gone'));
    return Promise.resolve({ done: true, value: undefined });
  }

  async #next(): Promise<IteratorResult<O>> {
    if (this.#done) return { done: true, value: undefined };
    const call = (this.#call ??= this.#start());
    const bytes = await call.read();
    if (bytes) return { done: false, value: this.#decoded(call, bytes) };
    const { error, trailers } = await call.outcome;
    if (this.#done) return { done: true, value: undefined };
    this.#done = true;
    this.#options.onTrailers?.(trailers);
    if (error) throw error;
    return { done: true, value: undefined };
  }

  #start(): StreamCall {
    const call = this.#begin();
    const { onHeaders } = this.#options;
    if (onHeaders) void call.headers.then(onHeaders);
    return call;
  }

  #decoded(call: StreamCall, bytes: Uint8Array): O {
    try {
      return this.#codec.decode(bytes);
    } catch (error) {
      this.#done = true;
      call.cancel(MicroError.from(error));
      throw error;
    }
  }
}

/** The one message of a client stream. `unimplemented` if there is none, or more than one (gRPC's word for a service that breaks its contract). */
export async function single<O>(responses: AsyncIterableIterator<O>): Promise<O> {
  const first = await responses.next();
  if (first.done) throw new MicroError('unimplemented', 'the service ended the call without an answer');
  const second = await responses.next();
  if (second.done) return first.value;
  await responses.return?.();
  throw new MicroError('unimplemented', 'the service answered with more than one message');
}
