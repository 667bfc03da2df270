import { MicroError } from '@micro/errors';
import { storeProto } from '@micro/proto';
import type { CallOptions, Client, ClientOf } from '@micro/rpc';
import { checkedPlace } from './blob/validation.js';
import {
  bytesOf,
  fromEventMessage,
  fromMessage,
  fromSnapshotMessage,
  invalid,
  toChangeMessage,
  toNewMessage,
  toSnapshotMessage,
} from './messages.js';
import { explained } from './remote-errors.js';
import { RemoteWatch } from './remote-watch.js';
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
    const request = { key: checkedText('key', key), table };
    const { record } = await this.#told(this.#calls.read(request, { namespace: database }));
    return recordOf(record);
  }

  override async write(record: NewRecord, options: TableOptions & Condition = {}): Promise<StoreRecord> {
    const { database, table } = this.#place(options);
    const { ifVersion } = options;
    const request = { record: toNewMessage(checkedRecord(record)), table, ifVersion: checkedVersion(ifVersion) };
    return recordOf((await this.#told(this.#calls.write(request, { namespace: database }))).record);
  }

  override async delete(key: string, options: TableOptions & Condition = {}): Promise<void> {
    const { database, table } = this.#place(options);
    const request = { key: checkedText('key', key), table, ifVersion: checkedVersion(options.ifVersion) };
    await this.#told(this.#calls.delete(request, { namespace: database }));
  }

  override async transact(changes: readonly Change[], options?: TableOptions): Promise<readonly bigint[]> {
    const { database, table } = this.#place(options);
    for (const change of changes) {
      checkedVersion(change.ifVersion);
      if (change.type === 'write') checkedRecord(change.record);
      else checkedText('key', change.key);
    }
    const request = { changes: changes.map(toChangeMessage), table };
    return (await this.#told(this.#calls.transact(request, { namespace: database }))).versions;
  }

  override async list(options: ListOptions = {}): Promise<Page> {
    const { database, table } = this.#place(options);
    const { prefix = '', suffix = '', limit = 1_000, offset = 0, order, cursor, keysOnly = false } = options;
    // What the wire would take for "none", or could not say.
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= 10_000))
      throw invalid(`limit ${limit} is not a whole number from 1 to 10,000`);
    if (!(Number.isInteger(offset) && offset >= 0 && offset < 2 ** 32))
      throw invalid(`offset ${offset} is not a whole number from 0`);
    if (order !== undefined && order !== 'ascending' && order !== 'descending')
      throw invalid(`order ${JSON.stringify(order)} is neither ascending nor descending`);
    if (cursor === '') throw invalid('the cursor is of no page: list from the start');
    const request = {
      table,
      prefix: checkedText('prefix', prefix),
      suffix: checkedText('suffix', suffix),
      limit,
      offset,
      descending: order === 'descending',
      cursor,
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
    const { database, table } = checkedPlace(options);
    const request = { table, prefix: checkedText('prefix', options.prefix ?? '') };
    const connect = (signal: AbortSignal) =>
      known(this.#calls.watch(request, { namespace: database, signal, timeout: Infinity }));
    const watch: RemoteWatch = new RemoteWatch(connect, options.signal, () => this.#watches.delete(watch));
    if (this.#closing.signal.aborted) watch.end();
    else this.#watches.add(watch);
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
    return checkedPlace(options);
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

function closed(): MicroError {
  return new MicroError('unavailable', 'this store is closed: open another', { id: 'store' });
}

function checkedRecord(record: NewRecord): NewRecord {
  checkedText('key', record.key);
  if (!(record.value instanceof Uint8Array)) throw invalid('the value is not a Uint8Array');
  const { ttl, metadata = {} } = record;
  if (ttl !== undefined && !(ttl >= 1 && Number.isFinite(ttl)))
    throw invalid(`ttl ${ttl} is not at least 1 millisecond`);
  for (const [name, value] of Object.entries(metadata)) {
    checkedText('name of metadata', name);
    checkedText('value of metadata', value);
  }
  return record;
}

/** What the wire cannot say. */
function checkedText(what: string, text: string): string {
  if (typeof text !== 'string' || /\p{Cs}/u.test(text)) throw invalid(`the ${what} is no text that UTF-8 can say`);
  return text;
}

function checkedVersion(version: bigint | undefined): bigint | undefined {
  if (version === undefined || (typeof version === 'bigint' && version >= 0n && version < 2n ** 64n)) return version;
  throw invalid(`version ${String(version)} is not a bigint from 0n`);
}
