import { type Changed, makeChanges } from './cockroach-changes.js';
import { CockroachConnection } from './cockroach-connection.js';
import { CockroachDatabases } from './cockroach-databases.js';
import { moment, nextTable } from './cockroach-generations.js';
import type { CockroachOptions } from './cockroach-options.js';
import { behind, next, recordsOf } from './cockroach-records.js';
import { restoreSnapshot, snapshotOf } from './cockroach-snapshot.js';
import { databases, list, type ListRow, read, type RecordRow } from './cockroach-sql.js';
import { CockroachSweep } from './cockroach-sweep.js';
import { CockroachWatches } from './cockroach-watch.js';
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
import {
  type CheckedChange,
  checkedChanges,
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

/**
 * A store in CockroachDB, spoken to as PostgreSQL, which does as well. Each call on a record is one statement and one round trip; each statement is
 * a serializable transaction. Nothing is connected to before it is needed.
 */
export class CockroachStore extends Store {
  readonly #connection: CockroachConnection;
  readonly #databases: CockroachDatabases;
  readonly #watches: CockroachWatches;
  readonly #sweep: CockroachSweep;

  constructor(options: CockroachOptions) {
    super();
    this.#connection = new CockroachConnection(options);
    this.#databases = new CockroachDatabases(this.#connection);
    this.#watches = new CockroachWatches(this.#connection, this.#databases);
    this.#sweep = new CockroachSweep(this.#connection);
  }

  override async read(key: string, options?: TableOptions): Promise<StoreRecord> {
    const place = checkedTable(options);
    const { database, table } = place;
    const rows = await this.#databases.rows<RecordRow>(read, database, [
      Buffer.from(table),
      Buffer.from(checkedKey(key)),
    ]);
    const [record] = recordsOf(rows);
    if (!record) throw notFound(key, place);
    return record;
  }

  override async write(record: NewRecord, options: TableOptions & Condition = {}): Promise<StoreRecord> {
    const write = checkedWriting(record);
    const { key, value, metadata } = write;
    const ifVersion = checkedVersion(options.ifVersion);
    const [made] = await this.#change([{ key, write, check: false, ifVersion }], options);
    return { key, value: new Uint8Array(value), metadata, ...(made as Changed) };
  }

  override async delete(key: string, options: TableOptions & Condition = {}): Promise<void> {
    const ifVersion = checkedVersion(options.ifVersion);
    await this.#change([{ key: checkedKey(key), write: undefined, check: false, ifVersion }], options);
  }

  override async transact(changes: readonly Change[], options?: TableOptions): Promise<readonly bigint[]> {
    return (await this.#change(checkedChanges(changes), options)).map(({ version }) => version);
  }

  override async list(options?: ListOptions): Promise<Page> {
    const { database, table } = checkedTable(options);
    const { prefix, suffix, limit, offset, descending, after, keysOnly } = checkedListing(options);
    const first = Buffer.from(prefix);
    const rows = await this.#databases.rows<ListRow>(list({ descending, keysOnly, suffix: suffix !== '' }), database, [
      Buffer.from(table),
      after !== undefined && !descending ? next(Buffer.from(after)) : first,
      after !== undefined && descending ? Buffer.from(after) : behind(first),
      // One more shows whether there is something behind the page.
      limit + 1,
      offset,
      ...(suffix === '' ? [] : [Buffer.from(suffix)]),
    ]);
    const records = recordsOf(rows).slice(0, limit);
    const isLast = records.length === 0 || Number(rows[0]?.total) === records.length;
    return { records, cursor: isLast ? undefined : cursorOf(records.at(-1)?.key as string, descending) };
  }

  override async databases(): Promise<readonly string[]> {
    const rows = await this.#connection.rows<{ readonly name: string }>(databases);
    return rows.map(({ name }) => name).sort();
  }

  override async tables(database: string = defaultDatabase): Promise<readonly string[]> {
    const { database: name } = checkedTable({ database });
    return this.#connection.transaction(
      async (run) => {
        const [found] = await run<{ readonly generation: string }>(moment, [name]);
        const tables: string[] = [];
        let last: Buffer = Buffer.alloc(0);
        while (found) {
          const [row] = await run<{ readonly tbl: Buffer }>(nextTable, [found.generation, last]);
          if (!row) break;
          last = row.tbl;
          tables.push(last.toString());
        }
        return tables;
      },
      { repeatable: true, readOnly: true },
    );
  }

  override watch(options: WatchOptions = {}): AsyncIterable<StoreEvent> {
    const { prefix, ...place } = checkedWatch(options);
    if (this.#connection.closing.aborted) throw closed();
    return this.#watches.watch(place, { prefix, signal: options.signal });
  }

  override snapshot(database: string = defaultDatabase): AsyncIterable<SnapshotRecord> {
    return snapshotOf(this.#connection, checkedTable({ database }).database);
  }

  override async restore(records: AsyncIterable<SnapshotRecord>, database: string = defaultDatabase): Promise<number> {
    const place = checkedTable({ database });
    this.#sweep.start();
    return restoreSnapshot(this.#connection, records, place.database);
  }

  override close(): Promise<void> {
    return this.#connection.close();
  }

  async #change(changes: readonly CheckedChange[], options: TableOptions | undefined): Promise<readonly Changed[]> {
    const place = checkedTable(options);
    this.#sweep.start();
    const made = await makeChanges(this.#connection, this.#databases, place, changes);
    const keys = changes.filter(({ check }) => !check).map(({ key }) => key);
    this.#watches.changed(place, keys);
    return made;
  }
}
