import { MicroError } from '@micro/errors';
import { outsideCalls } from '@micro/rpc';
import { ownChanges, ownRecord } from './own-copies.js';
import {
  type Change,
  type Condition,
  type ListOptions,
  type NewRecord,
  type Page,
  type SnapshotRecord,
  Store,
  type StoreEvent,
  type StoreRecord,
  type TableOptions,
  type WatchOptions,
} from './store.js';

/** A store that is opened when it is first used: who keeps nothing pays for nothing. One that could not be opened is tried again with the next call. */
export class LaterStore extends Store {
  readonly #open: () => Promise<Store>;
  #opening: Promise<Store> | undefined;
  #closed = false;

  constructor(open: () => Promise<Store>) {
    super();
    this.#open = open;
  }

  override async read(key: string, options?: TableOptions): Promise<StoreRecord> {
    return (await this.#store()).read(key, options);
  }

  override async write(record: NewRecord, options?: TableOptions & Condition): Promise<StoreRecord> {
    const own = ownRecord(record);
    return (await this.#store()).write(own, options);
  }

  override async delete(key: string, options?: TableOptions & Condition): Promise<void> {
    await (await this.#store()).delete(key, options);
  }

  override async transact(changes: readonly Change[], options?: TableOptions): Promise<readonly bigint[]> {
    const own = ownChanges(changes);
    return (await this.#store()).transact(own, options);
  }

  override async list(options?: ListOptions): Promise<Page> {
    return (await this.#store()).list(options);
  }

  override async databases(): Promise<readonly string[]> {
    return (await this.#store()).databases();
  }

  override async tables(database?: string): Promise<readonly string[]> {
    return (await this.#store()).tables(database);
  }

  override watch(options?: WatchOptions): AsyncIterable<StoreEvent> {
    return later(async () => (await this.#store()).watch(options));
  }

  override snapshot(database?: string): AsyncIterable<SnapshotRecord> {
    return later(async () => (await this.#store()).snapshot(database));
  }

  override async restore(records: AsyncIterable<SnapshotRecord>, database?: string): Promise<number> {
    return (await this.#store()).restore(records, database);
  }

  /** Closes what was opened. */
  override async close(): Promise<void> {
    this.#closed = true;
    const store = await this.#opening?.catch(() => undefined);
    await store?.close();
  }

  #store(): Promise<Store> {
    if (this.#closed)
      return Promise.reject(new MicroError('unavailable', 'this store is closed: open another', { id: 'store' }));
    if (!this.#opening) {
      // It outlives the call that it is first used in.
      const opening = outsideCalls(this.#open);
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
    }
    return this.#opening;
  }
}

/** What is begun by the first read. No generator: one that waits for the next item could not be ended. */
function later<T>(begin: () => Promise<AsyncIterable<T>>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => {
      let begun: Promise<AsyncIterator<T>> | undefined;
      const iterator = () => (begun ??= begin().then((items) => items[Symbol.asyncIterator]()));
      return {
        next: () => iterator().then((items) => items.next()),
        return: async () => {
          const items = await begun?.catch(() => undefined);
          begun ??= Promise.resolve(nothing<T>());
          await items?.return?.();
          return { value: undefined, done: true };
        },
      };
    },
  };
}

function nothing<T>(): AsyncIterator<T> {
  return { next: () => Promise.resolve({ value: undefined, done: true }) };
}
