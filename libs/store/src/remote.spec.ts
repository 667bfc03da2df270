import { storeProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { storeCapabilities } from './capabilities.js';
import { StoreHandlers } from './handlers.js';
import { openStore } from './open.js';
import { storeContract } from './store.contract.js';

let client: Client;
const close: (() => unknown)[] = [];

beforeAll(async () => {
  const folder = await temporaryFolder();
  const store = await openStore({ adapter: 'file', folder: folder.path });
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
  client = new Client({ discovery: fixedTargets(`${host}:${port}`) });
  close.push(
    () => client.close(),
    () => server.close(),
    () => store.close(),
    () => folder[Symbol.asyncDispose](),
  );
});
afterAll(async () => {
  for (const one of close) await one();
});

storeContract('remote', {
  capabilities: storeCapabilities.remote,
  open: () => openStore({ adapter: 'remote', client }),
});
