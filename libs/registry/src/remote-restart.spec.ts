import { registryProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { until } from '@micro/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RegistryHandlers } from './handlers.js';
import { MemoryRegistry } from './memory.js';
import type { Service } from './registry.js';
import { RemoteRegistry } from './remote.js';

/** A registry as apps/registry serves it, whose answers to Register may be held back. */
async function serve(port: number, held: Promise<void>) {
  const registry = new MemoryRegistry();
  const handlers = new RegistryHandlers(registry, `epoch of ${Math.random()}`);
  let registering = 0;
  const server = new RpcServer({ name: 'registry', port }).add(registryProto.Registry, {
    register: async (request, context) => {
      registering++;
      await held;
      return handlers.register(request, context);
    },
    deregister: (request, context) => handlers.deregister(request, context),
    getService: (request, context) => handlers.getService(request, context),
    listServices: (request, context) => handlers.listServices(request, context),
    watch: (request, context) => handlers.watch(request, context),
  });
  const listening = await server.listen();
  const stop = async () => {
    handlers.stop();
    await server.close();
    await registry.close();
  };
  return { registry, port: listening.port, registering: () => registering, stop };
}

const greeter = (address: string): Service => {
  const node = { id: 'g1', address, metadata: { protocol: 'grpc' } };
  return { name: 'greeter', version: 'latest', metadata: {}, endpoints: [], nodes: [node] };
};
const now = Promise.resolve();

let served: Awaited<ReturnType<typeof serve>>;
let client: Client;
let remote: RemoteRegistry;
let release: () => void = () => undefined;

/** The registry is another one, which is being told again what the last one knew, and has not taken it in yet. */
async function restarted(): Promise<void> {
  await served.stop();
  served = await serve(served.port, new Promise((resolve) => (release = resolve)));
  await until('the new registry is told again', () => served.registering() > 0);
}

beforeEach(async () => {
  served = await serve(0, now);
  client = new Client({ discovery: fixedTargets(`127.0.0.1:${served.port}`) });
  remote = new RemoteRegistry(client);
  const events: string[] = [];
  void (async () => {
    for await (const { type } of remote.watch()) events.push(type);
  })();
  await remote.register(greeter('127.0.0.1:1'));
  await until('the watch is in force', () => events.includes('synced'));
});
afterEach(async () => {
  release();
  await remote.close();
  await client.close();
  await served.stop();
});

it('a service that is taken off while a new registry is told of it again stays off', async () => {
  await restarted();
  await remote.deregister(greeter('127.0.0.1:1'));
  const seen = watchedOn(served.registry);
  release();
  await until('it was told again, and taken off again', () => seen.join() === 'created,deleted');
  expect(await remote.get('greeter')).toEqual([]);
});

it('a node that is registered anew while a new registry is told of it again is as it was registered last', async () => {
  await restarted();
  const registering = remote.register(greeter('127.0.0.1:2'));
  release();
  await registering;
  const address = async () => (await remote.get('greeter'))[0]?.nodes[0]?.address;
  await expect.poll(address).toBe('127.0.0.1:2');
});

it('a service that is being registered when the registry closes is withdrawn with the others', async () => {
  await restarted();
  const others = served.registering();
  const registering = expect(remote.register({ ...greeter('127.0.0.1:2'), name: 'late' })).rejects.toMatchObject({
    code: 'failed_precondition',
  });
  await until('it is being registered', () => served.registering() > others);
  await remote.close();
  release();
  await registering;
  await expect.poll(() => served.registry.list()).toEqual([]);
});

function watchedOn(registry: MemoryRegistry): string[] {
  const seen: string[] = [];
  void (async () => {
    for await (const { type } of registry.watch({ name: 'greeter' })) if (type !== 'synced') seen.push(type);
  })();
  return seen;
}
