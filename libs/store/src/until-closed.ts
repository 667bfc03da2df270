import { unlessAborted } from './blob/flow.js';

/** What comes until `closing` aborts, which throws its reason at once: whoever gives the items may never go on. */
export async function* untilClosed<T>(items: AsyncIterable<T>, closing: AbortSignal): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  let isDone = false;
  try {
    for (;;) {
      const next = await unlessAborted(() => iterator.next(), closing);
      isDone = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited: it, too, may never come.
    if (!isDone) void (async () => iterator.return?.())().catch(() => undefined);
  }
}
