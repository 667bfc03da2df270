import { MicroError } from '@micro/errors';
import { storeProto } from '@micro/proto';
import type { CallOptions, Client, ClientOf } from '@micro/rpc';
import {
  bytesOf,
  fromEventMessage,
  fromMessage,
  fromSnapshotMessage,
  toChangeMessage,
  toNewMessage,
  toSnapshotMessage,
} from './messages.js';
import { ownChanges } from './own-copies.js';
import { explained } from './remote-errors.js';
import { RemoteWatch } from './remote-watch.js';
import {
  checkedChanges,
  checkedKey,
  checkedListing,
  checkedTable,
  checkedVersion,
  checkedWatch,
  checkedWriting,
  closed,
} from './validation.js';
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

/** Of records that are restored: in one message, beside one more, which may be large. */
const messageBytes = 256 * 1024;

/** The store of apps/store, over RPC: what user services get. The client belongs to whoever gives it, and stays open. */
export class RemoteStore extends Store {
  readonly #calls: ClientOf<typeof storeProto.Store>;
  readonly #watches = new Set<RemoteWatch>();
  readonly #closing = new AbortController();

  constructor(client: Client) {
    super();
    this.#calls = client.of(storeProto.Store);
  }

  override async read(key: string, options?: TableOptions): Promise<StoreRecord> {
    const { database, table } = this.#place(options);
    const request = { key: checkedKey(key), table };
    const { record } = await this.#told(this.#calls.read(request, { namespace: database }));
    return recordOf(record);
  }

  override async write(record: NewRecord, options: TableOptions & Condition = {}): Promise<StoreRecord> {
    const { database, table } = this.#place(options);
    const { ifVersion } = options;
    const request = { record: toNewMessage(checkedWriting(record)), table, ifVersion: checkedVersion(ifVersion) };
    return recordOf((await this.#told(this.#calls.write(request, { namespace: database }))).record);
  }

  override async delete(key: string, options: TableOptions & Condition = {}): Promise<void> {
    const { database, table } = this.#place(options);
    const request = { key: checkedKey(key), table, ifVersion: checkedVersion(options.ifVersion) };
    await this.#told(this.#calls.delete(request, { namespace: database }));
  }

  override async transact(changes: readonly Change[], options?: TableOptions): Promise<readonly bigint[]> {
    const { database, table } = this.#place(options);
    checkedChanges(changes);
    const request = { changes: ownChanges(changes).map(toChangeMessage), table };
    return (await this.#told(this.#calls.transact(request, { namespace: database }))).versions;
  }

  override async list(options: ListOptions = {}): Promise<Page> {
    const { database, table } = this.#place(options);
    const { prefix, suffix, limit, offset, descending, keysOnly } = checkedListing(options);
    const request = {
      table,
      prefix,
      suffix,
      limit,
      offset,
      descending,
      cursor: options.cursor,
      keysOnly,
    };
    const page = await this.#told(this.#calls.list(request, { namespace: database }));
    return { records: page.records.map(fromMessage), cursor: page.cursor || undefined };
  }

  override async databases(): Promise<readonly string[]> {
    this.#check();
    return (await this.#told(this.#calls.databases({}, { namespace: defaultDatabase }))).databases;
  }

  override async tables(database?: string): Promise<readonly string[]> {
    const { database: namespace } = this.#place({ database });
    return (await this.#told(this.#calls.tables({}, { namespace }))).tables;
  }

  override watch(options: WatchOptions = {}): AsyncIterable<StoreEvent> {
    const { database, table, prefix } = checkedWatch(options);
    this.#check();
    const request = { table, prefix };
    const connect = (signal: AbortSignal) =>
      known(this.#calls.watch(request, { namespace: database, signal, timeout: Infinity }));
    const watch: RemoteWatch = new RemoteWatch(connect, options.signal, () => this.#watches.delete(watch));
    // One that is over from the start never says so.
    if (!options.signal?.aborted) this.#watches.add(watch);
    return watch;
  }

  override async *snapshot(database?: string): AsyncIterable<SnapshotRecord> {
    const { database: namespace } = this.#place({ database });
    try {
      for await (const message of this.#calls.snapshot({}, this.#stream(namespace))) yield fromSnapshotMessage(message);
    } catch (error) {
      throw this.#reason(error);
    }
  }

  override async restore(records: AsyncIterable<SnapshotRecord>, database?: string): Promise<number> {
    const { database: namespace } = this.#place({ database });
    let failure: { readonly error: unknown } | undefined;
    async function* requests() {
      try {
        yield* batches(records);
      } catch (error) {
        failure = { error };
        throw error;
      }
      yield { complete: true };
    }
    try {
      return Number((await this.#calls.restore(requests(), this.#stream(namespace))).records);
    } catch (error) {
      if (failure) throw failure.error;
      throw this.#reason(error);
    }
  }

  override async close(): Promise<void> {
    this.#closing.abort();
    for (const watch of [...this.#watches]) watch.end();
  }

  #stream(namespace: string): CallOptions {
    return { namespace, timeout: Infinity, signal: this.#closing.signal };
  }

  #place(options?: TableOptions): { readonly database: string; readonly table: string } {
    this.#check();
    return checkedTable(options);
  }

  #check(): void {
    if (this.#closing.signal.aborted) throw closed();
  }

  #reason(error: unknown): MicroError {
    return this.#closing.signal.aborted ? closed() : explained(error);
  }

  async #told<T>(call: Promise<T>): Promise<T> {
    return call.catch((error: unknown) => {
      throw explained(error);
    });
  }
}

async function* known(messages: AsyncIterable<storeProto.WatchEvent>): AsyncGenerator<StoreEvent> {
  for await (const message of messages) {
    const event = fromEventMessage(message);
    if (event) yield event;
  }
}

async function* batches(records: AsyncIterable<SnapshotRecord>) {
  let batch: storeProto.SnapshotRecord[] = [];
  let bytes = 0;
  // The first names the database, by its namespace, also where there is nothing to restore.
  yield { records: batch };
  for await (const one of records) {
    batch.push(toSnapshotMessage(one));
    bytes += bytesOf(one.record) + one.table.length;
    if (bytes < messageBytes) continue;
    yield { records: batch };
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield { records: batch };
}

function recordOf(record: storeProto.Record | undefined): StoreRecord {
  if (record) return fromMessage(record);
  throw new MicroError('internal', 'the store answered without a record', { id: 'store' });
}
