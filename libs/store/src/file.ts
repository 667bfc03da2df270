import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { FileDatabase } from './file-database.js';
import { openFile, translated } from './file-schema.js';
import {
  type Change,
  type Condition,
  defaultDatabase,
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
import { untilClosed } from './until-closed.js';
import {
  type CheckedChange,
  checkedChanges,
  checkedExpiry,
  checkedKey,
  checkedListing,
  checkedTable,
  checkedVersion,
  checkedWatch,
  checkedWriting,
  closed,
  cursorOf,
  notFound,
} from './validation.js';

/** A store in files, one a database, which several processes may use at once. Nothing is installed, nothing runs beside it. */
export class FileStore extends Store {
  readonly #folder: string;
  readonly #databases = new Map<string, FileDatabase>();
  readonly #restores = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  override async read(key: string, options?: TableOptions): Promise<StoreRecord> {
    const place = checkedTable(options);
    checkedKey(key);
    const record = this.#existing(place.database)?.read(place.table, key);
    if (!record) throw notFound(key, place);
    return record;
  }

  override async write(record: NewRecord, options: TableOptions & Condition = {}): Promise<StoreRecord> {
    const write = checkedWriting(record);
    const { key, value, metadata, ttl } = write;
    const asked = Date.now();
    const [version] = await this.#change(
      [{ key, write, check: false, ifVersion: checkedVersion(options.ifVersion) }],
      options,
    );
    const kept =
      ttl === undefined
        ? undefined
        : this.#existing(checkedTable(options).database)?.read(checkedTable(options).table, key);
    const expiresAt =
      ttl === undefined ? undefined : kept?.version === version ? kept?.expiresAt : asked + Math.ceil(ttl);
    return { key, value: new Uint8Array(value), metadata, expiresAt, version: version as bigint };
  }

  override async delete(key: string, options: TableOptions & Condition = {}): Promise<void> {
    const { ifVersion } = options;
    await this.#change(
      [{ key: checkedKey(key), write: undefined, check: false, ifVersion: checkedVersion(ifVersion) }],
      options,
    );
  }

  override async transact(changes: readonly Change[], options?: TableOptions): Promise<readonly bigint[]> {
    return this.#change(checkedChanges(changes), options);
  }

  override async list(options?: ListOptions): Promise<Page> {
    const { database, table } = checkedTable(options);
    const listing = checkedListing(options);
    const { records, more } = this.#existing(database)?.list(table, listing) ?? { records: [], more: false };
    return { records, cursor: more ? cursorOf(records.at(-1)?.key as string, listing.descending) : undefined };
  }

  override async databases(): Promise<readonly string[]> {
    this.#check();
    return this.#names().filter((name) => (this.#existing(name)?.tables().length ?? 0) > 0);
  }

  override async tables(database: string = defaultDatabase): Promise<readonly string[]> {
    return this.#existing(checkedTable({ database }).database)?.tables() ?? [];
  }

  override watch(options: WatchOptions = {}): AsyncIterable<StoreEvent> {
    const { database, table, prefix } = checkedWatch(options);
    return this.#database(database).watch(table, { prefix, signal: options.signal });
  }

  override async *snapshot(database: string = defaultDatabase): AsyncGenerator<SnapshotRecord> {
    yield* this.#existing(checkedTable({ database }).database)?.snapshot() ?? [];
  }

  override async restore(records: AsyncIterable<SnapshotRecord>, database: string = defaultDatabase): Promise<number> {
    const restoring = this.#restore(records, this.#database(checkedTable({ database }).database));
    const settled = restoring.catch(() => undefined).finally(() => this.#restores.delete(settled));
    this.#restores.add(settled);
    return restoring;
  }

  override async close(): Promise<void> {
    if (!this.#closing.signal.aborted) this.#closing.abort(closed());
    const open = [...this.#databases.values()];
    this.#databases.clear();
    await Promise.all(open.map((database) => database.close()));
    await Promise.all(this.#restores);
  }

  async #restore(records: AsyncIterable<SnapshotRecord>, target: FileDatabase): Promise<number> {
    const staged = join(this.#folder, `.${randomBytes(8).toString('hex')}.restore`);
    try {
      await stage(untilClosed(records, this.#closing.signal), staged);
      return await target.replace(staged);
    } finally {
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${staged}${suffix}`, { force: true });
    }
  }

  async #change(changes: readonly CheckedChange[], options: TableOptions | undefined): Promise<readonly bigint[]> {
    const { database, table } = checkedTable(options);
    return this.#database(database).change(table, changes);
  }

  #check(): void {
    this.#closing.signal.throwIfAborted();
  }

  /** What only reads makes no file. */
  #existing(name: string): FileDatabase | undefined {
    this.#check();
    return this.#databases.get(name) ?? (this.#names().includes(name) ? this.#database(name) : undefined);
  }

  #database(name: string): FileDatabase {
    this.#check();
    let database = this.#databases.get(name);
    if (!database) this.#databases.set(name, (database = new FileDatabase(join(this.#folder, `${fileName(name)}.db`))));
    return database;
  }

  #names(): string[] {
    try {
      const names = readdirSync(this.#folder).filter((file) => file.endsWith('.db'));
      return names.map((file) => databaseName(file.slice(0, -'.db'.length))).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw translated(error, this.#folder);
    }
  }
}

/** Keeps records in a file of their own until all are there. */
async function stage(records: AsyncIterable<SnapshotRecord>, path: string): Promise<void> {
  const db = openFile(path);
  try {
    db.pragma('synchronous = OFF');
    const put = db.prepare(
      'INSERT OR REPLACE INTO records (tbl, key, value, metadata, expires, version) VALUES (?, ?, ?, ?, ?, ?)',
    );
    db.exec('BEGIN');
    let version = 0;
    for await (const { table, record } of records) {
      checkedTable({ table });
      const { key, value, metadata } = checkedWriting(record);
      const expires = checkedExpiry(key, record.expiresAt) ?? null;
      put.run(table, Buffer.from(key), value, JSON.stringify(metadata), expires, ++version);
    }
    db.exec('COMMIT');
  } catch (error) {
    throw translated(error, path);
  } finally {
    db.close();
  }
}

/** Upper case as `~a`: some file systems take `A` and `a` for one name. */
function fileName(database: string): string {
  return database.replace(/[A-Z]/g, (letter) => `~${letter.toLowerCase()}`);
}

function databaseName(file: string): string {
  return file.replace(/~([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
