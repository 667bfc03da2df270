import { lockProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { lockCapabilities } from '../capabilities.js';
import { LocksHandlers } from './handlers.js';
import { locksContract } from './locks.contract.js';
import { openLocks } from './open.js';

let client: Client;
const close: (() => unknown)[] = [];

beforeAll(async () => {
  const folder = await temporaryFolder();
  const locks = await openLocks({ adapter: 'file', folder: folder.path });
  const handlers = new LocksHandlers(locks);
  const server = new RpcServer({ name: 'store', port: 0 }).add(lockProto.Locks, {
    acquire: (request, context) => handlers.acquire(request, context),
    renew: (request, context) => handlers.renew(request, context),
    release: (request, context) => handlers.release(request, context),
  });
  const { host, port } = await server.listen();
  client = new Client({ discovery: fixedTargets(`${host}:${port}`) });
  close.push(
    () => client.close(),
    () => server.close(),
    () => locks.close(),
    () => folder[Symbol.asyncDispose](),
  );
});
afterAll(async () => {
  for (const one of close) await one();
});

locksContract('remote', {
  capabilities: lockCapabilities.remote,
  open: () => openLocks({ adapter: 'remote', client }),
});
