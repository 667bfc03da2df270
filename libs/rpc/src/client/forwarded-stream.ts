import { MicroError } from '@micro/errors';
import type { ForwardedStream } from './options.js';
import type { StreamCall } from './stream-call.js';

/** A streaming call as it is handed on. */
export function forwarded(call: StreamCall): ForwardedStream {
  const trailers = call.outcome.then(({ error, trailers }) => {
    if (error) throw error;
    return trailers;
  });
  // Whoever passes the call on may have gone by the time that it fails.
  trailers.catch(() => undefined);
  return { headers: call.headers, messages: messagesOf(call), trailers };
}

function messagesOf(call: StreamCall): AsyncIterableIterator<Uint8Array> {
  return {
    async next() {
      const value = await call.read();
      return value ? { done: false, value } : { done: true, value: undefined };
    },
    async return() {
      call.cancel(new MicroError('canceled', 'the reader of the stream has gone'));
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
