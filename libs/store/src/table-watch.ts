import type { StoreEvent, StoreRecord } from './store.js';

type Records = readonly StoreRecord[] | Promise<readonly StoreRecord[]>;

/** What a watch asks its table for. */
export interface Watched {
  /** Records behind a key, ascending, as many as are to be held at a time; none at the end. */
  page(after: string | undefined): Records;
  /** Of some keys those records that there are, as they are now. What would be too much at once it leaves for the next time, but for one at least. */
  current(keys: readonly string[], leave: (key: string) => void): Records;
  /** Keys that are asked for at once. */
  readonly batch: number;
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
  /** Whether records are on their way that its consumer does not know of yet. */
  #asking = false;
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

  /** A key may have changed; where that is known, to a version, or `0n`: it is gone. */
  change(key: string, version?: bigint): void {
    if (this.#over || !key.startsWith(this.prefix)) return;
    if (version !== undefined && !this.#asking && version === (this.#told.get(key) ?? 0n)) return;
    this.#changed.add(key);
    this.#wake?.();
  }

  /** Whatever may have happened, these are the versions that there are. */
  reconcile(versions: ReadonlyMap<string, bigint>): void {
    for (const key of this.#told.keys()) if (!versions.has(key)) this.change(key);
    for (const [key, version] of versions) this.change(key, version);
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
    try {
      let after: string | undefined;
      while (!this.#over) {
        const records = await this.#ask(() => this.#watched.page(after));
        if (records.length === 0) break;
        for (const { key, version } of records) this.#told.set(key, version);
        for (const record of records) {
          if (this.#over) return this.#last();
          yield { type: 'written', record };
          after = record.key;
        }
      }
      if (!this.#over) yield { type: 'synced' };
      while (!this.#over) {
        if (this.#changed.size === 0) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          this.#wake = undefined;
          continue;
        }
        for (const event of await this.#next()) {
          if (this.#over) break;
          yield event;
        }
      }
      return this.#last();
    } finally {
      this.end();
    }
  }

  /** What has become of the next keys that have changed. */
  async #next(): Promise<StoreEvent[]> {
    const keys = [...take(this.#changed, this.#watched.batch)];
    for (const key of keys) this.#changed.delete(key);
    const left = new Set<string>();
    const records = await this.#ask(() => this.#watched.current(keys, (key) => left.add(key)));
    for (const key of left) this.#changed.add(key);
    const found = new Map(records.map((record) => [record.key, record]));
    const events: StoreEvent[] = [];
    for (const key of keys) {
      if (left.has(key)) continue;
      const record = found.get(key);
      if (record && this.#told.get(key) !== record.version) {
        this.#told.set(key, record.version);
        events.push({ type: 'written', record });
      } else if (!record && this.#told.delete(key)) {
        events.push({ type: 'deleted', key });
      }
    }
    return events;
  }

  async #ask(ask: () => Records): Promise<readonly StoreRecord[]> {
    this.#asking = true;
    try {
      return await ask();
    } finally {
      this.#asking = false;
    }
  }

  #last(): undefined {
    if (this.#error !== undefined) throw this.#error;
  }
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  for (const item of items) {
    if (count-- <= 0) return;
    yield item;
  }
}
