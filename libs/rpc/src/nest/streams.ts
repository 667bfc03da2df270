import { isObservable, Observable, share } from 'rxjs';
import { MicroError } from '@micro/errors';

/**
 * Requests of a stream as Nest's controllers expect them. Reading begins with the first subscriber, so that nothing is lost while guards and
 * interceptors run. When the caller cancels, it completes, as in Nest's own transport. For back-pressure, iterate it instead (`for await`).
 */
export type RequestObservable<T> = Observable<T> & AsyncIterable<T>;

export function requestObservable<T>(requests: AsyncIterable<T>): RequestObservable<T> {
  const observable = new Observable<T>((subscriber) => {
    const iterator = requests[Symbol.asyncIterator]();
    const read = async () => {
      for (;;) {
        const { done, value } = await iterator.next();
        if (subscriber.closed) return;
        if (done) return subscriber.complete();
        subscriber.next(value);
      }
    };
    read().catch((error: unknown) => {
      if (error instanceof MicroError && (error.code === 'canceled' || error.code === 'deadline_exceeded'))
        subscriber.complete();
      else subscriber.error(error);
    });
    return () => void iterator.return?.();
  }).pipe(share());
  return Object.assign(observable, { [Symbol.asyncIterator]: () => requests[Symbol.asyncIterator]() });
}

/**
 * What a controller returned for a stream, as messages: an Observable or an AsyncIterable, also as the single value of an Observable, which is
 * what interceptors make of it; anything else is one message. Ends when the signal aborts.
 */
export async function* responses(result: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
  if (isAsyncIterable(result)) {
    yield* result;
    return;
  }
  if (!isObservable(result)) {
    yield result;
    return;
  }
  for await (const value of iterate(result, signal)) {
    if (isAsyncIterable(value)) yield* value;
    else yield value;
  }
}

/** The last value that an observable emits, or undefined; unsubscribes when the signal aborts. */
export function lastOf(observable: Observable<unknown>, signal: AbortSignal, first: boolean): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let last: unknown;
    const subscription = observable.subscribe({
      next: (value) => {
        last = value;
        if (!first) return;
        resolve(value);
        queueMicrotask(() => subscription.unsubscribe());
      },
      error: reject,
      complete: () => resolve(last),
    });
    const stop = () => {
      subscription.unsubscribe();
      reject(signal.reason);
    };
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    subscription.add(() => signal.removeEventListener('abort', stop));
  });
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** Values of an observable one by one. It does not know of back-pressure: what comes too fast is kept. Unsubscribes when the signal aborts. */
async function* iterate(observable: Observable<unknown>, signal: AbortSignal): AsyncGenerator<unknown> {
  const values: unknown[] = [];
  let complete = false;
  let failed: { readonly error: unknown } | undefined;
  let wake: () => void = () => undefined;
  const subscription = observable.subscribe({
    next: (value) => {
      values.push(value);
      wake();
    },
    error: (error) => {
      failed = { error };
      wake();
    },
    complete: () => {
      complete = true;
      wake();
    },
  });
  const stop = () => {
    subscription.unsubscribe();
    complete = true;
    wake();
  };
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    for (;;) {
      while (values.length > 0) yield values.shift();
      if (failed) throw failed.error;
      if (complete) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal.removeEventListener('abort', stop);
    subscription.unsubscribe();
  }
}
