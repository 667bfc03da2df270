import type { Message, Subscription } from './broker.js';

export interface InboxOptions {
  /** Messages that may wait. */
  readonly buffer: number;
  readonly signal?: AbortSignal;
  /** Called when there is room again, and when the inbox closes. */
  readonly room: () => void;
  /** Takes the subscription off wherever it is known; `close()` waits for it. */
  readonly leave?: () => Promise<void>;
}

/** A subscription as its consumer sees it: what has been taken for it waits here. */
export class Inbox implements Subscription, AsyncIterator<Message> {
  readonly #options: InboxOptions;
  readonly #messages: Message[] = [];
  readonly #readers: {
    resolve(result: IteratorResult<Message>): void;
    reject(error: unknown): void;
  }[] = [];
  readonly #abort = () => void this.close();
  #closed: Promise<void> | undefined;
  #error: unknown;

  constructor(options: InboxOptions) {
    this.#options = options;
    options.signal?.addEventListener('abort', this.#abort, { once: true });
    if (options.signal?.aborted) void this.close();
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Messages that wait. */
  get waiting(): number {
    return this.#messages.length;
  }

  /** Messages that may wait. */
  get buffer(): number {
    return this.#options.buffer;
  }

  get hasRoom(): boolean {
    return !this.isClosed && this.#messages.length < this.#options.buffer;
  }

  /** Whether the message has been taken: it is not where there is no room. */
  take(message: Message): boolean {
    if (!this.hasRoom) return false;
    const reader = this.#readers.shift();
    if (reader) reader.resolve({ value: message, done: false });
    else this.#messages.push(message);
    return true;
  }

  /** The subscription cannot go on: its consumer's next read throws. */
  fail(error: unknown): void {
    if (this.isClosed) return;
    this.#error = error;
    const [first] = this.#readers.splice(0, 1);
    if (first) {
      this.#error = undefined;
      first.reject(error);
    }
    void this.close();
  }

  next(): Promise<IteratorResult<Message>> {
    const message = this.#messages.shift();
    if (message) {
      this.#options.room();
      return Promise.resolve({ value: message, done: false });
    }
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error as Error);
    }
    if (this.isClosed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  async return(): Promise<IteratorResult<Message>> {
    await this.close();
    return { value: undefined, done: true };
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#messages.length = 0;
    for (const reader of this.#readers.splice(0)) reader.resolve({ value: undefined, done: true });
    // After `isClosed` says so.
    await Promise.resolve();
    this.#options.room();
    await this.#options.leave?.();
  }
}
