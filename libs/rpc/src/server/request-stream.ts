import type { MicroError } from '@micro/errors';

interface Waiter {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void;
  readonly reject: (error: MicroError) => void;
}

const over: IteratorResult<unknown, undefined> = { done: true, value: undefined };

/** Messages as a caller streams them. The next is asked for when the handler wants it, so that a slow handler slows the caller down. */
export class RequestStream implements AsyncIterableIterator<unknown> {
  readonly #ask: () => void;
  readonly #waiting: Waiter[] = [];
  #ended = false;
  #error: MicroError | undefined;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  push(message: unknown): void {
    this.#waiting.shift()?.resolve({ done: false, value: message });
    if (this.#waiting.length > 0) this.#ask();
  }

  end(): void {
    this.#ended = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve(over);
  }

  fail(error: MicroError): void {
    if (this.#ended) return;
    this.#error = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#error) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve(over);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#waiting.length === 1) this.#ask();
    });
  }

  /** The handler wants no more. */
  return(): Promise<IteratorResult<unknown, undefined>> {
    this.#ended = true;
    return Promise.resolve(over);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
