import { storeProto } from '@micro/proto';
import { RpcServer } from '@micro/rpc';
import { StoreHandlers } from './handlers.js';
import type { Store } from './store.js';

/** For specs: a store as apps/store serves it. */
export interface ServedStore {
  /** `host:port`. */
  readonly address: string;
  /** The store goes on. */
  close(): Promise<void>;
}

export async function serveStore(store: Store): Promise<ServedStore> {
  const handlers = new StoreHandlers(store);
  const server = new RpcServer({ name: 'store', port: 0 }).add(storeProto.Store, {
    read: (request, context) => handlers.read(request, context),
    write: (request, context) => handlers.write(request, context),
    delete: (request, context) => handlers.delete(request, context),
    transact: (request, context) => handlers.transact(request, context),
    list: (request, context) => handlers.list(request, context),
    databases: (request, context) => handlers.databases(request, context),
    tables: (request, context) => handlers.tables(request, context),
    watch: (request, context) => handlers.watch(request, context),
    snapshot: (request, context) => handlers.snapshot(request, context),
    restore: (requests, context) => handlers.restore(requests, context),
  });
  const { host, port } = await server.listen();
  return { address: `${host}:${port}`, close: () => server.close() };
}
