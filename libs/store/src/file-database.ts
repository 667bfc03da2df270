import type Sqlite from 'better-sqlite3';
import { FileCommits } from './file-commits.js';
import { openFile, translated } from './file-schema.js';
import type { SnapshotRecord, StoreRecord } from './store.js';
import { TableWatch, type TableWatchOptions } from './table-watch.js';
import { checkCondition, type CheckedChange, closed, type Listing } from './validation.js';

/** Milliseconds between two looks at what other processes have changed, while somebody watches. */
const pollMs = 50;
/** Milliseconds between two looks at what has expired. */
const sweepMs = 1_000;
/** Records that expire in one transaction, and of which a page of a watch or a snapshot is made. */
const batch = 200;
/** Deletions that are remembered for watches of other processes, at least. */
const remembered = 10_000;

interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly metadata: string;
  readonly expires: bigint | null;
  readonly version: bigint;
}

/** One file of records. Changes that come together are committed together. */
export class FileDatabase {
  readonly #path: string;
  readonly #db: Sqlite.Database;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #commits: FileCommits;
  readonly #watches = new Map<TableWatch, { readonly table: string; seen: bigint }>();
  readonly #sweep: NodeJS.Timeout;
  #poll: NodeJS.Timeout | undefined;
  #dataVersion: unknown;
  #replacing: Promise<unknown> = Promise.resolve();
  #expiring = false;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
    this.#db = openFile(path);
    this.#statements = prepare(this.#db);
    this.#commits = new FileCommits(this.#db, path, () => this.#tell());
    this.#sweep = setInterval(() => void this.#expire(), sweepMs).unref();
  }

  read(table: string, key: string): StoreRecord | undefined {
    return this.#reading(() => this.#live(table, Buffer.from(key)));
  }

  /** A page and whether there is more behind it. */
  list(table: string, listing: Listing): { readonly records: StoreRecord[]; readonly more: boolean } {
    const { prefix, suffix, limit, offset, descending, after, keysOnly } = listing;
    return this.#reading(() => {
      const { ascending: up, descending: down } = this.#statements;
      const first = Buffer.from(prefix);
      const [low, high] = [first, behind(first)];
      const records: StoreRecord[] = [];
      let left = offset;
      const rows = (descending ? down : up).iterate({
        tbl: table,
        low: after !== undefined && !descending ? next(Buffer.from(after)) : low,
        high: after !== undefined && descending ? Buffer.from(after) : high,
        now: Date.now(),
      }) as IterableIterator<Row>;
      for (const row of rows) {
        if (suffix !== '' && !row.key.subarray(-Buffer.byteLength(suffix)).equals(Buffer.from(suffix))) continue;
        if (left-- > 0) continue;
        if (records.length === limit) return { records, more: true };
        records.push(recordOf(row, keysOnly));
      }
      return { records, more: false };
    });
  }

  tables(): string[] {
    return this.#reading(() => (this.#statements.tables.all(Date.now()) as { tbl: string }[]).map(({ tbl }) => tbl));
  }

  /** Makes all the changes or none; their versions. */
  async change(table: string, changes: readonly CheckedChange[]): Promise<readonly bigint[]> {
    return this.#write(() => this.#changes(table, changes));
  }

  watch(table: string, options: Omit<TableWatchOptions, 'ended'>): TableWatch {
    const { prefix } = options;
    const watch: TableWatch = new TableWatch(
      {
        page: (after) =>
          this.list(table, { prefix, suffix: '', limit: batch, offset: 0, descending: false, after, keysOnly: false })
            .records,
        current: (keys) => keys.flatMap((key) => this.read(table, key) ?? []),
        batch: 1,
      },
      { ...options, ended: () => this.#forget(watch) },
    );
    if (options.signal?.aborted) return watch;
    this.#watches.set(watch, { table, seen: this.#reading(() => this.#version()) });
    this.#dataVersion ??= this.#db.pragma('data_version', { simple: true });
    // Keeps the process alive: whoever waits for a change means to get it.
    this.#poll ??= setInterval(() => this.#look(), pollMs);
    return watch;
  }

  /** As of one moment, over a connection of its own. */
  async *snapshot(): AsyncGenerator<SnapshotRecord> {
    const db = openFile(this.#path);
    try {
      db.exec('BEGIN');
      const page = db
        .prepare(
          'SELECT tbl, key, value, metadata, expires, version FROM records WHERE (tbl, key) > (:tbl, :key) AND (expires IS NULL OR expires > :now) ORDER BY tbl, key LIMIT :limit',
        )
        .safeIntegers();
      const now = Date.now();
      let last: { readonly tbl: string; readonly key: Buffer } = { tbl: '', key: Buffer.alloc(0) };
      for (;;) {
        const rows = page.all({ tbl: last.tbl, key: last.key, now, limit: batch }) as (Row & { tbl: string })[];
        for (const row of rows) {
          const { version: _, ...record } = recordOf(row);
          yield { table: row.tbl, record };
        }
        const end = rows.at(-1);
        if (!end) return;
        last = end;
      }
    } catch (error) {
      throw translated(error, this.#path);
    } finally {
      db.close();
    }
  }

  /** Puts what another file holds, which `stage` has made, in the place of everything here. Several do so one after the other. */
  replace(staged: string): Promise<number> {
    const replacing = this.#replacing.then(() => this.#replace(staged));
    this.#replacing = replacing.catch(() => undefined);
    return replacing;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweep);
    for (const watch of [...this.#watches.keys()]) watch.end();
    await this.#commits.settled();
    this.#db.close();
  }

  async #replace(staged: string): Promise<number> {
    await this.#commits.settled();
    if (this.#closed) throw closed();
    const db = this.#db;
    try {
      db.prepare('ATTACH ? AS staged').run(staged);
    } catch (error) {
      throw translated(error, this.#path);
    }
    try {
      return await this.#write(() => {
        db.exec('INSERT INTO gone SELECT (SELECT version FROM counter) + row_number() OVER (), tbl, key FROM records');
        db.exec('UPDATE counter SET version = version + (SELECT count(*) FROM records); DELETE FROM records');
        const { changes } = db
          .prepare(
            'INSERT INTO records (tbl, key, value, metadata, expires, version) SELECT tbl, key, value, metadata, expires, (SELECT version FROM counter) + row_number() OVER () FROM staged.records WHERE expires IS NULL OR expires > ?',
          )
          .run(Date.now());
        db.prepare('UPDATE counter SET version = version + ?').run(changes);
        return changes;
      });
    } finally {
      db.exec('DETACH staged');
    }
  }

  #changes(table: string, changes: readonly CheckedChange[]): readonly bigint[] {
    const { put, remove, bury } = this.#statements;
    const keys = changes.map(({ key }) => Buffer.from(key));
    const before = keys.map((key) => this.#live(table, key)?.version);
    changes.forEach(({ key, ifVersion }, index) => checkCondition(key, ifVersion, before[index]));
    return changes.map(({ write, check }, index) => {
      const key = keys[index] as Buffer;
      if (check) return before[index] ?? 0n;
      if (!write) {
        if (remove.run(table, key).changes > 0) bury.run(this.#count(), table, key);
        return 0n;
      }
      const { value, metadata, ttl } = write;
      const version = this.#count();
      const expires = ttl === undefined ? null : Date.now() + Math.ceil(ttl);
      put.run({ tbl: table, key, value, metadata: JSON.stringify(metadata), expires, version });
      return version;
    });
  }

  #live(table: string, key: Buffer): StoreRecord | undefined {
    const row = this.#statements.read.get(table, key, Date.now()) as Row | undefined;
    return row && recordOf(row);
  }

  #version(): bigint {
    return (this.#statements.version.get() as { version: bigint }).version;
  }

  /** The next version. */
  #count(): bigint {
    return (this.#statements.count.get() as { version: bigint }).version;
  }

  #reading<T>(read: () => T): T {
    if (this.#closed) throw closed();
    try {
      return read();
    } catch (error) {
      throw translated(error, this.#path);
    }
  }

  #write<T>(run: () => T): Promise<T> {
    return this.#closed ? Promise.reject(closed()) : this.#commits.change(run);
  }

  /** Batch after batch, between which others have their turn, until nothing is left. */
  async #expire(): Promise<void> {
    if (this.#expiring) return;
    this.#expiring = true;
    try {
      while (!this.#closed && this.#statements.anyExpired.get(Date.now()))
        await this.#write(() => this.#removeExpired());
    } catch {
      // Whoever reads or writes next is told what is wrong with the file.
    } finally {
      this.#expiring = false;
    }
  }

  #removeExpired(): void {
    const { expired, removeRow, bury, trim } = this.#statements;
    const rows = expired.all(Date.now(), batch) as { rowid: bigint; tbl: string; key: Buffer }[];
    for (const { rowid, tbl, key } of rows) {
      removeRow.run(rowid);
      bury.run(this.#count(), tbl, key);
    }
    trim.run(remembered);
  }

  /** Whether another process has changed something. */
  #look(): void {
    try {
      const now = this.#db.pragma('data_version', { simple: true });
      if (now === this.#dataVersion) return;
      this.#dataVersion = now;
    } catch (error) {
      return this.#endWatches(error);
    }
    this.#tell();
  }

  /** Tells watches which keys have changed since they last heard. */
  #tell(): void {
    if (this.#watches.size === 0) return;
    try {
      this.#tellChanged();
    } catch (error) {
      this.#endWatches(error);
    }
  }

  #endWatches(error: unknown): void {
    for (const watch of [...this.#watches.keys()]) watch.end(translated(error, this.#path));
  }

  #tellChanged(): void {
    const { changed, buried } = this.#statements;
    // Others may commit between the two queries: what comes after this version is for the next time, of both.
    const now = this.#version();
    for (const [watch, state] of this.#watches) {
      const { table, seen } = state;
      state.seen = now;
      // Deletions from that far back may have been forgotten.
      if (now - seen > BigInt(remembered)) watch.recheck();
      for (const { key } of changed.all(table, seen, now) as { key: Buffer }[]) watch.change(key.toString());
      for (const { key } of buried.all(table, seen, now) as { key: Buffer }[]) watch.change(key.toString());
    }
  }

  #forget(watch: TableWatch): void {
    this.#watches.delete(watch);
    if (this.#watches.size > 0) return;
    clearInterval(this.#poll);
    this.#poll = undefined;
    this.#dataVersion = undefined;
  }
}

const columns = 'key, value, metadata, expires, version';
const live = '(expires IS NULL OR expires > ';

function prepare(db: Sqlite.Database) {
  const exact = (sql: string) => db.prepare(sql).safeIntegers();
  const range = `SELECT ${columns} FROM records WHERE tbl = :tbl AND key >= :low AND key < :high AND ${live}:now) ORDER BY key`;
  return {
    read: exact(`SELECT ${columns} FROM records WHERE tbl = ? AND key = ? AND ${live}?)`),
    ascending: exact(range),
    descending: exact(`${range} DESC`),
    tables: db.prepare(`SELECT DISTINCT tbl FROM records WHERE ${live}?) ORDER BY tbl`),
    put: db.prepare(
      `INSERT INTO records (tbl, ${columns}) VALUES (:tbl, :key, :value, :metadata, :expires, :version)
       ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value, metadata = excluded.metadata, expires = excluded.expires, version = excluded.version`,
    ),
    remove: db.prepare('DELETE FROM records WHERE tbl = ? AND key = ?'),
    removeRow: db.prepare('DELETE FROM records WHERE rowid = ?'),
    bury: db.prepare('INSERT INTO gone (version, tbl, key) VALUES (?, ?, ?)'),
    trim: db.prepare(
      'DELETE FROM gone WHERE version <= (SELECT version FROM gone ORDER BY version DESC LIMIT 1 OFFSET ?)',
    ),
    version: exact('SELECT version FROM counter'),
    count: exact('UPDATE counter SET version = version + 1 RETURNING version'),
    anyExpired: db.prepare('SELECT 1 FROM records WHERE expires <= ? LIMIT 1'),
    expired: exact('SELECT rowid, tbl, key FROM records WHERE expires <= ? LIMIT ?'),
    changed: db.prepare('SELECT key FROM records WHERE tbl = ? AND version > ? AND version <= ? ORDER BY version'),
    buried: db.prepare('SELECT key FROM gone WHERE tbl = ? AND version > ? AND version <= ? ORDER BY version'),
  };
}

function recordOf({ key, value, metadata, expires, version }: Row, keysOnly = false): StoreRecord {
  return {
    key: key.toString(),
    // Made for this row: nobody else has it.
    value: keysOnly ? new Uint8Array() : new Uint8Array(value.buffer, value.byteOffset, value.length),
    metadata: metadata === '{}' ? {} : (JSON.parse(metadata) as Record<string, string>),
    expiresAt: expires === null ? undefined : Number(expires),
    version,
  };
}

/** The first key behind this one: no other is between them. */
function next(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

/** Greater than every key that begins so. No UTF-8 has the byte 0xff. */
function behind(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, Buffer.from([0xff])]);
}
