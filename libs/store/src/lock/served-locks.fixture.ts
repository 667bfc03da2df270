import { lockProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { LocksHandlers } from './handlers.js';
import type { Locks } from './locks.js';

/** Locks served over RPC, and a client that asks there; `close` closes both, and the locks. */
export async function serveLocks(
  locks: Locks,
): Promise<{ readonly client: Client; readonly close: () => Promise<void> }> {
  const handlers = new LocksHandlers(locks);
  const server = new RpcServer({ name: 'store', port: 0 }).add(lockProto.Locks, {
    acquire: (request, context) => handlers.acquire(request, context),
    renew: (request, context) => handlers.renew(request, context),
    release: (request, context) => handlers.release(request, context),
  });
  const { host, port } = await server.listen();
  const client = new Client({ discovery: fixedTargets(`${host}:${port}`) });
  const close = async () => {
    await client.close();
    await server.close();
    await locks.close();
  };
  return { client, close };
}
