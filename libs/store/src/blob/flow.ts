/** How content flows: cut to size, given up when its signal aborts, read once. */
import { MicroError } from '@micro/errors';
import { canceled, checkPiece, closed } from './validation.js';

export type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Of what is read. */
export const largestPiece = 1024 * 1024;
/** Of what is gathered from pieces that are smaller. */
const gathered = 64 * 1024;

/**
 * Content in pieces of at most `most` bytes: large ones are cut, small ones gathered. A piece is the caller's own memory, and holds until the
 * next one is asked for. Throws the reason of `signal` as soon as it aborts, though `content` may never come to an end.
 */
export async function* pieces(content: Content, most: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const iterator = Symbol.asyncIterator in content ? content[Symbol.asyncIterator]() : content[Symbol.iterator]();
  const gathering = Buffer.allocUnsafe(Math.min(gathered, most));
  let filled = 0;
  let done = false;
  try {
    for (;;) {
      const next = await unlessAborted(async () => iterator.next(), signal);
      if (next.done) {
        done = true;
        break;
      }
      checkPiece(next.value);
      if (filled + next.value.length <= gathering.length) {
        gathering.set(next.value, filled);
        filled += next.value.length;
        continue;
      }
      if (filled > 0) yield gathering.subarray(0, filled);
      filled = 0;
      for (let start = 0; start < next.value.length; start += most) yield next.value.subarray(start, start + most);
    }
    if (filled > 0) yield gathering.subarray(0, filled);
  } finally {
    // Not awaited: what is to be written may never come.
    if (!done) void (async () => iterator.return?.())().catch(() => undefined);
  }
}

/** Waits for work, unless the signal aborts: then throws its reason at once. */
export async function unlessAborted<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}

/** One write or reading that is under way. */
export interface Operation {
  /** Its reason is a MicroError. */
  readonly signal: AbortSignal;
  end(): void;
}

/** What is under way, and given up when the adapter is closed. */
export class Operations {
  readonly #all = new Set<() => void>();
  #closed = false;

  check(): void {
    if (this.#closed) throw closed();
  }

  begin(signal: AbortSignal | undefined): Operation {
    this.check();
    const giving = new AbortController();
    if (signal?.aborted) throw canceled();
    const cancel = () => giving.abort(canceled());
    const close = () => giving.abort(closed());
    signal?.addEventListener('abort', cancel, { once: true });
    this.#all.add(close);
    return {
      signal: giving.signal,
      end: () => {
        signal?.removeEventListener('abort', cancel);
        this.#all.delete(close);
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const close of [...this.#all]) close();
  }
}

const forgotten = new FinalizationRegistry<() => void>((release) => release());

/**
 * Content that may be read once, or not at all: `release` is called when its reader leaves, and when nobody can begin any more. It must not know
 * the content, and may be called more than once.
 */
export function readOnce(begin: () => AsyncIterator<Uint8Array>, release: () => void): AsyncIterable<Uint8Array> {
  let begun = false;
  const content = {
    [Symbol.asyncIterator]() {
      if (begun)
        throw new MicroError('failed_precondition', 'this content has been read: read the blob again', { id: 'store' });
      begun = true;
      forgotten.unregister(content);
      return leaving(begin(), release);
    },
  };
  forgotten.register(content, release, content);
  return content;
}

/** A generator that is left before it has begun does nothing by itself. */
function leaving(iterator: AsyncIterator<Uint8Array>, release: () => void): AsyncIterator<Uint8Array> {
  return {
    next: () => iterator.next(),
    return: async () => {
      await iterator.return?.();
      release();
      return { value: undefined, done: true };
    },
  };
}
