import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type { Change, Condition, ListOptions, NewRecord, StoreRecord, TableOptions, WatchOptions } from '@micro/store';
import { type Codec, codecOf, type ValueSchema } from './codec.js';
import { store } from './own-store.js';
import { logger } from './process-platform.js';

/** A record whose value has a type. */
export interface TypedRecord<T> extends Omit<StoreRecord, 'value'> {
  readonly value: T;
}

export interface WriteOptions extends Condition {
  /** Milliseconds after which the record ceases to be there. Default: never. */
  readonly ttl?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface UpdateOptions {
  /** Default: those of the record before. */
  readonly ttl?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Times that others may be quicker. Default 50. */
  readonly attempts?: number;
}

/** Which records: as the store lists them, but over all pages. */
export type ListAllOptions = Pick<ListOptions, 'prefix' | 'suffix' | 'order'> & {
  /** At most so many records. Default: all. */
  readonly limit?: number;
};

export type TypedStoreEvent<T> =
  | { readonly type: 'written'; readonly record: TypedRecord<T> }
  | { readonly type: 'deleted'; readonly key: string }
  | { readonly type: 'synced' };

/**
 * A table of the service's namespace, for values of one type. Errors are those of the store; `invalid_argument` also for a value that cannot be
 * kept as it is, `data_loss` for one that is there and is none of this type.
 */
export class Table<T> {
  readonly name: string;
  readonly #place: TableOptions;
  readonly #codec: Codec<T>;

  constructor(name: string, schema?: ValueSchema<T>, place: Pick<TableOptions, 'database'> = {}) {
    this.name = name;
    this.#place = { ...place, table: name };
    this.#codec = codecOf(`table ${name}`, schema);
  }

  /** MicroError `not_found` if there is none. */
  async read(key: string): Promise<TypedRecord<T>> {
    return this.#typed(await store.read(key, this.#place));
  }

  /** Undefined if there is none. */
  async find(key: string): Promise<TypedRecord<T> | undefined> {
    const record = await this.#find(key);
    return record && this.#typed(record);
  }

  /** Writes in place of all that was there; with `ifVersion`, only if nobody else wrote since: else MicroError `aborted`. */
  async write(key: string, value: T, options: WriteOptions = {}): Promise<TypedRecord<T>> {
    const { ifVersion } = options;
    return this.#typed(await store.write(await this.encode(key, value, options), { ...this.#place, ifVersion }));
  }

  /**
   * Changes a record by what it was, as if nobody else wrote meanwhile: where somebody did, `change` is called again with what there is then.
   * Undefined leaves everything as it is, and so does an unchanged value. Resolves to what `change` gave. MicroError `aborted` when others
   * were quicker every time.
   */
  update(key: string, change: (before: T | undefined) => T | Promise<T>, options?: UpdateOptions): Promise<T>;
  update(
    key: string,
    change: (before: T | undefined) => T | undefined | Promise<T | undefined>,
    options?: UpdateOptions,
  ): Promise<T | undefined>;
  async update(
    key: string,
    change: (before: T | undefined) => T | undefined | Promise<T | undefined>,
    options: UpdateOptions = {},
  ): Promise<T | undefined> {
    const { attempts = 50 } = options;
    for (let attempt = 1; ; attempt++) {
      const before = await this.#find(key);
      const after = await change(before && (await this.#codec.decode(before.value)));
      if (after === undefined) return undefined;
      try {
        return await this.#replace(key, { before, after, options });
      } catch (error) {
        if (!(error instanceof MicroError) || error.code !== 'aborted') throw error;
        if (attempt >= attempts) {
          const detail = `${JSON.stringify(key)} of table ${this.name} was written by others ${attempts} times in between: try later, or with more attempts`;
          throw new MicroError('aborted', detail, { id: 'store', cause: error });
        }
      }
      await sleep(Math.random() * Math.min(2 ** attempt, 100));
    }
  }

  /** Without `ifVersion`, one that is not there is no error. */
  async delete(key: string, options: Condition = {}): Promise<void> {
    await store.delete(key, { ...options, ...this.#place });
  }

  /** Every record there is, by key, a page at a time. What is written meanwhile may come or not. */
  async *list(options: ListAllOptions = {}): AsyncGenerator<TypedRecord<T>, void, undefined> {
    for await (const record of this.#list(options, false)) yield await this.#typed(record);
  }

  /** Their keys alone. */
  async *keys(options: ListAllOptions = {}): AsyncGenerator<string, void, undefined> {
    for await (const { key } of this.#list(options, true)) yield key;
  }

  /**
   * First everything that is there, then `synced`, then what changes, until the loop is left, `signal` aborts or the service stops. What is no
   * value of this type is logged and left out.
   */
  async *watch(
    options: Pick<WatchOptions, 'prefix' | 'signal'> = {},
  ): AsyncGenerator<TypedStoreEvent<T>, void, undefined> {
    for await (const event of store.watch({ ...options, ...this.#place })) {
      if (event.type !== 'written') yield event;
      else {
        const record = await this.#typed(event.record).catch((error: unknown) => {
          logger.error(`${JSON.stringify(event.record.key)} is left out: ${MicroError.from(error).detail}`);
        });
        if (record) yield { type: 'written', record };
      }
    }
  }

  /** Several changes at one moment, or none: see Store. Records of other types may be among them: those of another Table of the same name. */
  transact(changes: readonly Change[]): Promise<readonly bigint[]> {
    return store.transact(changes, this.#place);
  }

  /** A record as the store takes it, for `transact`. */
  async encode(
    key: string,
    value: T,
    { ttl, metadata }: Pick<WriteOptions, 'ttl' | 'metadata'> = {},
  ): Promise<NewRecord> {
    return { key, value: await this.#codec.encode(value), ttl, metadata };
  }

  async #find(key: string): Promise<StoreRecord | undefined> {
    try {
      return await store.read(key, this.#place);
    } catch (error) {
      if (error instanceof MicroError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  async #replace(
    key: string,
    {
      before,
      after,
      options,
    }: { readonly before: StoreRecord | undefined; readonly after: T; readonly options: UpdateOptions },
  ): Promise<T> {
    const left = before?.expiresAt === undefined ? undefined : Math.max(1, before.expiresAt - Date.now());
    const { ttl = left, metadata = before?.metadata } = options;
    const record = await this.encode(key, after, { ttl, metadata });
    const same =
      before &&
      options.ttl === undefined &&
      options.metadata === undefined &&
      Buffer.compare(before.value, record.value) === 0;
    if (!same) await store.write(record, { ...this.#place, ifVersion: before?.version ?? 0n });
    return after;
  }

  async *#list(
    { limit = Number.POSITIVE_INFINITY, ...options }: ListAllOptions,
    keysOnly: boolean,
  ): AsyncGenerator<StoreRecord, void, undefined> {
    let left = limit;
    let cursor: string | undefined;
    do {
      if (left <= 0) return;
      const page = await store.list({ ...options, ...this.#place, keysOnly, cursor, limit: Math.min(left, 1_000) });
      yield* page.records;
      left -= page.records.length;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  async #typed({ value, ...record }: StoreRecord): Promise<TypedRecord<T>> {
    return { ...record, value: await this.#codec.decode(value) };
  }
}

/**
 * A table of the service's namespace. May stand at the top of a file; opened when it is first used.
 *
 * ```ts
 * const orders = table<Order>('orders');
 * await orders.write('42', { item: 'tea', count: 1 });
 * await orders.update('42', (order) => order && { ...order, count: order.count + 1 });
 * ```
 *
 * Values are kept as JSON; what JSON would change (bigint, bytes, dates) is refused. With a schema they are checked, and messages of a .proto kept as
 * protobuf. Services of a namespace that name the same table share it.
 */
export function table<T>(name: string, schema?: ValueSchema<T>): Table<T> {
  return new Table(name, schema);
}
