import type { Event } from './events.js';

/** Reads on behind what it has read, and waits for more: a follower in the process that keeps the stream. */
export class Follower implements AsyncIterableIterator<Event> {
  readonly #read: (from: bigint) => readonly Event[] | Promise<readonly Event[]>;
  readonly #begin: () => bigint | Promise<bigint>;
  readonly #left: () => void;
  readonly #signal: AbortSignal | undefined;
  readonly #end = () => this.end();
  #from: bigint | undefined;
  #page: Event[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #woken = false;
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(options: {
    /** The offset from which it reads, found out once. */
    readonly begin: () => bigint | Promise<bigint>;
    /** The next events from an offset on; none at the end. */
    readonly read: (from: bigint) => readonly Event[] | Promise<readonly Event[]>;
    readonly signal: AbortSignal | undefined;
    /** Called once, when it reads no more. */
    readonly left: () => void;
  }) {
    this.#begin = options.begin;
    this.#read = options.read;
    this.#left = options.left;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#end, { once: true });
    if (this.#signal?.aborted) this.end();
  }

  /** There may be something to read. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#page = [];
    this.#signal?.removeEventListener('abort', this.#end);
    this.#left();
    this.#wake?.();
  }

  next(): Promise<IteratorResult<Event>> {
    // One after the other, so that each event goes to one of the calls.
    const taken = this.#turn.then(() => this.#take());
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async return(): Promise<IteratorResult<Event>> {
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #take(): Promise<IteratorResult<Event>> {
    try {
      while (!this.#ended) {
        const event = this.#page.shift();
        if (event) return { value: event, done: false };
        this.#woken = false;
        this.#from ??= await this.#begin();
        this.#page = [...(await this.#read(this.#from))];
        const last = this.#page.at(-1);
        if (last) this.#from = last.offset + 1n;
        else if (!this.#woken && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      this.#page = [];
      return { value: undefined, done: true };
    } catch (error) {
      if (this.#ended) return { value: undefined, done: true };
      this.end();
      throw error;
    }
  }
}
