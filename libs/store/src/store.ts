/** What is kept under a key. */
export interface StoreRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
  /** When it ceases to be there, in milliseconds since 1970 by the store's clock; undefined: never. */
  readonly expiresAt: number | undefined;
  /** Greater with each write of the key, across its deletion and expiry too; never 0. To be compared, and for nothing else. */
  readonly version: bigint;
}

/** What is written under a key, in place of all that was there. */
export interface NewRecord {
  readonly key: string;
  readonly value: Uint8Array;
  /** Default: none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Milliseconds, 1 to 10^15, after which the record ceases to be there, by the store's clock. Default: never. */
  readonly ttl?: number;
}

/** Which table: a database is a tenant's, a table a service's. Both exist as long as there is a record in them. */
export interface TableOptions {
  /** Default `micro`. */
  readonly database?: string;
  /** Default `micro`. */
  readonly table?: string;
}

/** What a change demands of the key before it. */
export interface Condition {
  /** The version that its record must have; `0n`: there must be none. Default: whatever is there. */
  readonly ifVersion?: bigint;
}

/** One part of a transaction: a write, a deletion, or a version that must still be there. */
export type Change =
  | (Condition & { readonly type: 'write'; readonly record: NewRecord })
  | (Condition & { readonly type: 'delete'; readonly key: string })
  | { readonly type: 'check'; readonly key: string; readonly ifVersion: bigint };

export interface ListOptions extends TableOptions {
  /** Only keys that begin so; no character has a meaning of its own. Default: all. */
  readonly prefix?: string;
  /** Only keys that end so. */
  readonly suffix?: string;
  /** At most so many records, 1 to 10,000. Default 1,000. */
  readonly limit?: number;
  /** So many are left out first. Default 0. While others write, pages by offset may repeat or miss records; those by cursor do not. */
  readonly offset?: number;
  /** Default `ascending`. */
  readonly order?: Order;
  /** Goes on behind the page that gave it, with the same prefix, suffix and order; not together with an offset. */
  readonly cursor?: string;
  /** Leaves the values out: each is empty. Default false. */
  readonly keysOnly?: boolean;
}

/** Of keys, by the bytes of their UTF-8, which is the order of their code points. */
export type Order = 'ascending' | 'descending';

export interface Page {
  readonly records: readonly StoreRecord[];
  /** Where the next page begins; undefined: there is nothing behind this one. A page may hold fewer records than its limit all the same. */
  readonly cursor: string | undefined;
}

export interface WatchOptions extends TableOptions {
  /** Only keys that begin so. Default: all. */
  readonly prefix?: string;
  /** Ends the watch, quietly. */
  readonly signal?: AbortSignal;
}

/** What a watch tells. A record that expired is told as deleted, within two seconds of its end. */
export type StoreEvent =
  | { readonly type: 'written'; readonly record: StoreRecord }
  | { readonly type: 'deleted'; readonly key: string }
  | { readonly type: 'synced' };

/** A record and where it was, in a snapshot. */
export interface SnapshotRecord {
  readonly table: string;
  readonly record: Omit<StoreRecord, 'version'>;
}

/** Of every adapter, so that what is written on a laptop can be written in the cloud. */
export const storeLimits = {
  /** Of a key, in bytes of UTF-8; at least 1. */
  keyBytes: 2_048,
  /** Of a value. What is larger is a blob. */
  valueBytes: 2 * 1024 * 1024,
  /** Of a record's metadata, names and values together, in bytes of UTF-8. */
  metadataBytes: 16 * 1024,
  /** Of a transaction: changes, and bytes of its keys, values and metadata together. */
  changes: 500,
  changesBytes: 3 * 1024 * 1024,
  /** Of a time to live, in milliseconds: some 30,000 years. */
  ttl: 1e15,
  /** Of the name of a database or a table: letters, digits, `.`, `_` and `-`. */
  nameLength: 100,
} as const;

export const defaultDatabase = 'micro';
export const defaultTable = 'micro';

/**
 * Records under keys: the store's contract, and its token in Nest. A key is any text of 1 to 2,048 bytes of UTF-8; it is compared exactly,
 * without normalisation. Every method throws MicroError `invalid_argument` for a key, name, option or size beyond the limits, naming it, and
 * `unavailable` when the store cannot be reached or is closed. What has been acknowledged is kept as the adapter's capabilities say
 * (capabilities.ts). A call that fails has changed nothing, except that after `unavailable` or `deadline_exceeded` a change may have been made.
 *
 * What is given may be changed as soon as a method has returned its promise, and what is got is the caller's alone.
 *
 * Reads and changes of a table are linearizable: each takes effect at one moment between its call and its answer, for everyone.
 */
export abstract class Store {
  /** The record under a key. MicroError `not_found` if there is none. */
  abstract read(key: string, options?: TableOptions): Promise<StoreRecord>;

  /**
   * Writes a record, and returns it as it is kept. With `ifVersion`, only if the record before has that version; else MicroError `aborted`:
   * somebody else wrote in between, read it again.
   */
  abstract write(record: NewRecord, options?: TableOptions & Condition): Promise<StoreRecord>;

  /** Deletes a record. Without `ifVersion`, one that is not there is no error; with it, as `write`. */
  abstract delete(key: string, options?: TableOptions & Condition): Promise<void>;

  /**
   * Makes all the changes at one moment, or none. Returns, in their order, the version that each key now has: of a deleted one `0n`, of a
   * checked one as it was. MicroError `aborted` if a condition does not hold, naming the key; `invalid_argument` for no change at all, for
   * more than the limits, and for a key that comes twice.
   */
  abstract transact(changes: readonly Change[], options?: TableOptions): Promise<readonly bigint[]>;

  /** A page of records by key. Nothing found is an empty page; a cursor that no page gave is `invalid_argument`. */
  abstract list(options?: ListOptions): Promise<Page>;

  /** Names of the databases with at least one record, ascending. */
  abstract databases(): Promise<readonly string[]>;

  /** Names of a database's tables with at least one record, ascending; of a database that is not there none. Default: `micro`. */
  abstract tables(database?: string): Promise<readonly string[]>;

  /**
   * First everything that is there, as `written`, by key; then `synced`, once; then what changes. Of several changes of one key in quick
   * succession at least the last is told; nothing is told twice in a row as it already was, and no older state after a newer one. A source
   * that goes away and comes back is followed on; what changed meanwhile is told. A consumer that is slow holds nobody up. Ends when `signal`
   * aborts, the consumer returns or the store closes.
   */
  abstract watch(options?: WatchOptions): AsyncIterable<StoreEvent>;

  /** Every record of a database as they were at one moment, by table and key, while others go on reading and writing. Default: `micro`. */
  abstract snapshot(database?: string): AsyncIterable<SnapshotRecord>;

  /**
   * Puts what a snapshot holds in the place of all that a database holds, at one moment; until then, and if it fails or `records` throws,
   * everything is as before. Records that have expired meanwhile are left out; the others have new versions. Returns how many there are.
   */
  abstract restore(records: AsyncIterable<SnapshotRecord>, database?: string): Promise<number>;

  /** Releases files, connections and timers, ends watches; later calls fail with `unavailable`. A second call does nothing. */
  abstract close(): Promise<void>;
}
