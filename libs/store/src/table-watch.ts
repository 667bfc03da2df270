import type { StoreEvent, StoreRecord } from './store.js';

/** What a watch asks its table for. */
export interface Watched {
  /** Records behind a key, ascending, as many as are to be held at a time; none at the end. */
  page(after: string | undefined): readonly StoreRecord[];
  /** A record as it is now. */
  current(key: string): StoreRecord | undefined;
}

export interface TableWatchOptions {
  readonly prefix: string;
  readonly signal: AbortSignal | undefined;
  /** Called once, when nobody wants to know any more. */
  readonly ended: () => void;
}

/**
 * A watch of a table. It holds the keys that have changed and not what they changed to, which is looked up when it is told: a consumer that
 * is slow is told the latest, and costs no more than a set of keys.
 */
export class TableWatch implements AsyncIterableIterator<StoreEvent> {
  readonly prefix: string;
  readonly #watched: Watched;
  readonly #options: TableWatchOptions;
  readonly #events: AsyncGenerator<StoreEvent, undefined>;
  readonly #changed = new Set<string>();
  /** Version of each record that its consumer knows of. */
  readonly #told = new Map<string, bigint>();
  readonly #onAbort = () => this.end();
  #wake: (() => void) | undefined;
  #error: unknown;
  #over = false;

  constructor(watched: Watched, options: TableWatchOptions) {
    this.prefix = options.prefix;
    this.#watched = watched;
    this.#options = options;
    this.#events = this.#run();
    // Nobody has been told of it yet who would have to forget it.
    if (options.signal?.aborted) this.#over = true;
    else options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** A key may have changed. */
  change(key: string): void {
    if (this.#over || !key.startsWith(this.prefix)) return;
    this.#changed.add(key);
    this.#wake?.();
  }

  /** Any key may have changed, or be gone. */
  recheck(): void {
    for (const key of this.#told.keys()) this.change(key);
  }

  /** Ends it; with an error, its consumer gets that. A second call does nothing. */
  end(error?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#options.ended();
    this.#wake?.();
  }

  next(): Promise<IteratorResult<StoreEvent, undefined>> {
    return this.#events.next();
  }

  async return(): Promise<IteratorResult<StoreEvent, undefined>> {
    this.end();
    return this.#events.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async *#run(): AsyncGenerator<StoreEvent, undefined> {
    let after: string | undefined;
    while (!this.#over) {
      const records = this.#watched.page(after);
      if (records.length === 0) break;
      for (const record of records) {
        if (this.#over) return this.#last();
        this.#told.set(record.key, record.version);
        yield { type: 'written', record };
        after = record.key;
      }
    }
    if (!this.#over) yield { type: 'synced' };
    while (!this.#over) {
      const [key] = this.#changed;
      if (key === undefined) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
        continue;
      }
      this.#changed.delete(key);
      const record = this.#watched.current(key);
      if (record && this.#told.get(key) !== record.version) {
        this.#told.set(key, record.version);
        yield { type: 'written', record };
      } else if (!record && this.#told.delete(key)) {
        yield { type: 'deleted', key };
      }
    }
    return this.#last();
  }

  #last(): undefined {
    if (this.#error !== undefined) throw this.#error;
  }
}
