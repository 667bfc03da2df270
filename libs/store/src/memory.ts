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
import { TableWatch } from './table-watch.js';
import { untilClosed } from './until-closed.js';
import {
  checkCondition,
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
  given,
  notFound,
} from './validation.js';

/** Milliseconds between two looks at what has expired. */
const sweepMs = 500;
const pageSize = 100;

/** A store within the process, for tests. */
export class MemoryStore extends Store {
  readonly #databases = new Map<string, Map<string, Table>>();
  readonly #sweep = setInterval(() => this.#expire(), sweepMs).unref();
  readonly #closing = new AbortController();
  #version = 0n;

  override async read(key: string, options?: TableOptions): Promise<StoreRecord> {
    const place = checkedTable(options);
    checkedKey(key);
    const record = this.#open(place.database, place.table)?.live(key);
    if (!record) throw notFound(key, place);
    return given(record);
  }

  override async write(record: NewRecord, options: TableOptions & Condition = {}): Promise<StoreRecord> {
    const write = checkedWriting(record);
    this.#change([{ key: write.key, write, check: false, ifVersion: checkedVersion(options.ifVersion) }], options);
    // Not by a read: it may have expired by now.
    const { database, table } = checkedTable(options);
    return given(this.#table(database, table).kept(write.key) as StoreRecord);
  }

  override async delete(key: string, options: TableOptions & Condition = {}): Promise<void> {
    const { ifVersion } = options;
    this.#change(
      [{ key: checkedKey(key), write: undefined, check: false, ifVersion: checkedVersion(ifVersion) }],
      options,
    );
  }

  override async transact(changes: readonly Change[], options?: TableOptions): Promise<readonly bigint[]> {
    return this.#change(checkedChanges(changes), options);
  }

  override async list(options?: ListOptions): Promise<Page> {
    const { database, table } = checkedTable(options);
    const { prefix, suffix, limit, offset, descending, after, keysOnly } = checkedListing(options);
    const found: StoreRecord[] = [];
    let left = offset;
    for (const record of this.#open(database, table)?.sorted(descending, after) ?? []) {
      if (!record.key.startsWith(prefix) || !record.key.endsWith(suffix)) continue;
      if (left-- > 0) continue;
      if (found.length === limit) return { records: found, cursor: cursorOf(found.at(-1)?.key as string, descending) };
      found.push(given(record, keysOnly));
    }
    return { records: found, cursor: undefined };
  }

  override async databases(): Promise<readonly string[]> {
    if (this.#isClosed) throw closed();
    return [...this.#databases]
      .filter(([, tables]) => [...tables.values()].some((table) => table.populated))
      .map(([name]) => name)
      .sort();
  }

  override async tables(database: string = defaultDatabase): Promise<readonly string[]> {
    if (this.#isClosed) throw closed();
    const tables = this.#databases.get(checkedTable({ database }).database) ?? new Map<string, Table>();
    return [...tables]
      .filter(([, table]) => table.populated)
      .map(([name]) => name)
      .sort();
  }

  override watch(options: WatchOptions = {}): AsyncIterable<StoreEvent> {
    const { database, table: name, prefix } = checkedWatch(options);
    if (this.#isClosed) throw closed();
    const table = this.#table(database, name);
    const watch: TableWatch = new TableWatch(
      {
        page: (after) =>
          take(table.sorted(false, after), ({ key }) => key.startsWith(prefix)).map((record) => given(record)),
        current: (keys) => keys.flatMap((key) => table.live(key) ?? []).map((record) => given(record)),
        batch: 1,
      },
      { prefix, signal: options.signal, ended: () => table.watches.delete(watch) },
    );
    if (!options.signal?.aborted) table.watches.add(watch);
    return watch;
  }

  override async *snapshot(database: string = defaultDatabase): AsyncGenerator<SnapshotRecord> {
    checkedTable({ database });
    if (this.#isClosed) throw closed();
    const tables = [...(this.#databases.get(database) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    const all = tables.flatMap(([table, content]) =>
      [...content.sorted(false, undefined)].map((record) => ({ table, record })),
    );
    for (const { table, record } of all) {
      const { version: _, ...kept } = given(record);
      yield { table, record: kept };
    }
  }

  override async restore(records: AsyncIterable<SnapshotRecord>, database: string = defaultDatabase): Promise<number> {
    checkedTable({ database });
    const restored = new Map<string, { readonly table: string; readonly record: StoreRecord }>();
    for await (const { table, record } of untilClosed(records, this.#closing.signal)) {
      checkedTable({ table });
      const { value, metadata } = checkedWriting(record);
      const expiresAt = checkedExpiry(record.key, record.expiresAt);
      const { key } = record;
      restored.set(`${table}/${key}`, { table, record: { key, value, metadata, expiresAt, version: 0n } });
    }
    if (this.#isClosed) throw closed();
    for (const table of this.#databases.get(database)?.values() ?? [])
      for (const key of table.keys()) table.remove(key);
    let count = 0;
    for (const { table, record } of restored.values()) {
      if (record.expiresAt !== undefined && record.expiresAt <= Date.now()) continue;
      this.#table(database, table).put({ ...record, version: ++this.#version });
      count++;
    }
    return count;
  }

  override async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#closing.abort(closed());
    clearInterval(this.#sweep);
    for (const tables of this.#databases.values())
      for (const table of tables.values()) for (const watch of [...table.watches]) watch.end();
    this.#databases.clear();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #change(changes: readonly CheckedChange[], options: TableOptions | undefined): readonly bigint[] {
    const { database, table: name } = checkedTable(options);
    if (this.#isClosed) throw closed();
    const table = this.#table(database, name);
    for (const { key, ifVersion } of changes) checkCondition(key, ifVersion, table.live(key)?.version);
    return changes.map(({ key, write, check, ifVersion }) => {
      if (check) return ifVersion ?? 0n;
      if (!write) {
        table.remove(key);
        return 0n;
      }
      const { value, metadata, ttl } = write;
      const version = ++this.#version;
      table.put({
        key,
        value,
        metadata,
        expiresAt: ttl === undefined ? undefined : Date.now() + Math.ceil(ttl),
        version,
      });
      return version;
    });
  }

  #expire(): void {
    const now = Date.now();
    for (const tables of this.#databases.values()) for (const table of tables.values()) table.expire(now);
  }

  #open(database: string, table: string): Table | undefined {
    if (this.#isClosed) throw closed();
    return this.#databases.get(database)?.get(table);
  }

  #table(database: string, name: string): Table {
    let tables = this.#databases.get(database);
    if (!tables) this.#databases.set(database, (tables = new Map()));
    let table = tables.get(name);
    if (!table) tables.set(name, (table = new Table()));
    return table;
  }
}

class Table {
  readonly watches = new Set<TableWatch>();
  readonly #records = new Map<string, StoreRecord>();
  /** Keys in the order of their UTF-8; undefined: to be sorted anew. */
  #keys: string[] | undefined = [];

  get populated(): boolean {
    for (const key of this.#records.keys()) if (this.live(key)) return true;
    return false;
  }

  /** Also where it has expired, and was not swept yet. */
  kept(key: string): StoreRecord | undefined {
    return this.#records.get(key);
  }

  live(key: string): StoreRecord | undefined {
    const record = this.kept(key);
    return record && (record.expiresAt === undefined || record.expiresAt > Date.now()) ? record : undefined;
  }

  keys(): string[] {
    return [...this.#records.keys()];
  }

  put(record: StoreRecord): void {
    if (!this.#records.has(record.key)) this.#keys = undefined;
    this.#records.set(record.key, record);
    this.#tell(record.key);
  }

  remove(key: string): void {
    if (!this.#records.delete(key)) return;
    this.#keys = undefined;
    this.#tell(key);
  }

  expire(now: number): void {
    for (const { key, expiresAt } of this.#records.values())
      if (expiresAt !== undefined && expiresAt <= now) this.remove(key);
  }

  /** Live records in order, from behind a key. */
  *sorted(descending: boolean, after: string | undefined): Generator<StoreRecord> {
    const keys = (this.#keys ??= sortedKeys(this.#records.keys()));
    const start =
      after === undefined
        ? descending
          ? keys.length - 1
          : 0
        : descending
          ? lowerBound(keys, after) - 1
          : upperBound(keys, after);
    for (let at = start; at >= 0 && at < keys.length; at += descending ? -1 : 1) {
      const record = this.live(keys[at] as string);
      if (record) yield record;
    }
  }

  #tell(key: string): void {
    for (const watch of this.watches) watch.change(key);
  }
}

function take(records: Iterable<StoreRecord>, wanted: (record: StoreRecord) => boolean): StoreRecord[] {
  const taken: StoreRecord[] = [];
  for (const record of records) {
    if (!wanted(record)) continue;
    taken.push(record);
    if (taken.length === pageSize) break;
  }
  return taken;
}

function sortedKeys(keys: Iterable<string>): string[] {
  return [...keys]
    .map((key) => ({ key, bytes: Buffer.from(key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ key }) => key);
}

/** Where the first key stands that is not before `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  const bytes = Buffer.from(key);
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Buffer.compare(Buffer.from(keys[middle] as string), bytes) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function upperBound(keys: readonly string[], key: string): number {
  const at = lowerBound(keys, key);
  return keys[at] === key ? at + 1 : at;
}
