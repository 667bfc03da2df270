import { MicroError } from '@micro/errors';
import type { storeProto } from '@micro/proto';
import type { CallContext } from '@micro/rpc';
import { boundedPage } from './bounded-page.js';
import {
  bytesOf,
  fromChangeMessage,
  fromNewMessage,
  fromSnapshotMessage,
  invalid,
  toEventMessage,
  toMessage,
  toSnapshotMessage,
} from './messages.js';
import { defaultDatabase, type ListOptions, type SnapshotRecord, type Store, type TableOptions } from './store.js';
import { databaseOf } from './tenant.js';

/** A store as the service of store.proto: each method is one call on the contract, in the database of the caller. */
export class StoreHandlers {
  readonly #store: Store;
  readonly #stopping = new AbortController();

  constructor(store: Store) {
    this.#store = store;
  }

  async read(request: storeProto.ReadRequest, context: CallContext): Promise<storeProto.ReadResponse> {
    return { record: toMessage(await this.#store.read(request.key, tableOf(request, context))) };
  }

  async write(request: storeProto.WriteRequest, context: CallContext): Promise<storeProto.WriteResponse> {
    const { record, ifVersion } = request;
    if (!record) throw invalid('the request has no record');
    const written = await this.#store.write(fromNewMessage(record), { ...tableOf(request, context), ifVersion });
    return { record: toMessage(written) };
  }

  async delete(request: storeProto.DeleteRequest, context: CallContext): Promise<storeProto.DeleteResponse> {
    const { key, ifVersion } = request;
    await this.#store.delete(key, { ...tableOf(request, context), ifVersion });
    return {};
  }

  async transact(request: storeProto.TransactRequest, context: CallContext): Promise<storeProto.TransactResponse> {
    const changes = request.changes.map(fromChangeMessage);
    return { versions: [...(await this.#store.transact(changes, tableOf(request, context)))] };
  }

  /** As many records as fit into a message. */
  async list(request: storeProto.ListRequest, context: CallContext): Promise<storeProto.ListResponse> {
    const options: ListOptions = {
      ...tableOf(request, context),
      prefix: request.prefix,
      suffix: request.suffix,
      order: request.descending ? 'descending' : 'ascending',
      keysOnly: request.keysOnly,
    };
    const limit = request.limit || 1_000;
    if (limit > 10_000) throw invalid(`limit ${limit} is more than 10,000`);
    const start = { offset: request.offset || undefined, cursor: request.cursor || undefined };
    const page = await boundedPage(limit, bytesOf, async (most, behind) => {
      const from = behind === undefined ? start : { cursor: behind };
      const { records, cursor } = await this.#store.list({ ...options, ...from, limit: most });
      return { items: records, cursor };
    });
    return { records: page.items.map(toMessage), cursor: page.cursor ?? '' };
  }

  async databases(
    _request: storeProto.DatabasesRequest,
    { namespace }: CallContext,
  ): Promise<storeProto.DatabasesResponse> {
    const databases = await this.#store.databases();
    return { databases: databases.filter((name) => namespace === defaultDatabase || name === namespace) };
  }

  async tables({ database }: storeProto.TablesRequest, { namespace }: CallContext): Promise<storeProto.TablesResponse> {
    return { tables: [...(await this.#store.tables(databaseOf(database, namespace)))] };
  }

  async *watch(request: storeProto.WatchRequest, context: CallContext) {
    const options = tableOf(request, context);
    const signal = AbortSignal.any([context.signal, this.#stopping.signal]);
    for await (const event of this.#store.watch({ ...options, prefix: request.prefix, signal }))
      yield toEventMessage(event);
    if (!context.signal.aborted) throw new MicroError('unavailable', 'the store stops: watch again', { id: 'store' });
  }

  async *snapshot({ database }: storeProto.SnapshotRequest, { namespace }: CallContext) {
    for await (const record of this.#store.snapshot(databaseOf(database, namespace))) yield toSnapshotMessage(record);
  }

  async restore(
    requests: AsyncIterable<storeProto.RestoreRequest>,
    { namespace }: CallContext,
  ): Promise<storeProto.RestoreResponse> {
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done) throw incomplete();
    const database = databaseOf(first.value.database, namespace);
    return { records: BigInt(await this.#store.restore(recordsOf(first.value, iterator), database)) };
  }

  /** Ends the watches, which by themselves would last for ever, so that their server can stop. */
  stop(): void {
    this.#stopping.abort();
  }
}

async function* recordsOf(
  first: storeProto.RestoreRequest,
  others: AsyncIterator<storeProto.RestoreRequest>,
): AsyncGenerator<SnapshotRecord> {
  for (let message = first; ;) {
    for (const record of message.records) yield fromSnapshotMessage(record);
    if (message.complete) return;
    const next = await others.next();
    if (next.done) throw incomplete();
    message = next.value;
  }
}

function incomplete(): MicroError {
  const detail = 'the snapshot broke off: nothing is restored, send all of it again';
  return new MicroError('canceled', detail, { id: 'store' });
}

function tableOf(
  { database, table }: { readonly database: string; readonly table: string },
  { namespace }: CallContext,
): TableOptions {
  return { database: databaseOf(database, namespace), table: table || undefined };
}
