import { setTimeout as sleep } from 'node:timers/promises';
import { brokerProto, registryProto } from '@micro/proto';
import { openRegistry, RegistryHandlers } from '@micro/registry';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { afterAll, expect, it } from 'vitest';
import type { Broker } from './broker.js';
import { BrokerHandlers } from './handlers.js';
import { HttpBroker } from './http.js';
import { LaterBroker } from './later.js';
import { RemoteBroker } from './remote.js';

const soon = { timeout: 10_000, interval: 10 };
const close: (() => unknown)[] = [];
afterAll(async () => {
  for (const one of close) await one();
});

async function served(server: RpcServer): Promise<Client> {
  const { host, port } = await server.listen();
  const client = new Client({ discovery: fixedTargets(`${host}:${port}`) });
  close.unshift(async () => {
    await client.close();
    await server.close();
  });
  return client;
}

async function registryClient(): Promise<Client> {
  const registry = await openRegistry({ adapter: 'memory' });
  const handlers = new RegistryHandlers(registry, 'epoch');
  close.unshift(() => registry.close());
  return served(
    new RpcServer({ name: 'registry', port: 0 }).add(registryProto.Registry, {
      register: (request, context) => handlers.register(request, context),
      deregister: (request, context) => handlers.deregister(request, context),
      watch: (request, context) => handlers.watch(request, context),
    }),
  );
}

async function heard(broker: Broker): Promise<number[]> {
  const subscription = await broker.subscribe('orders');
  const bodies: number[] = [];
  const read = async () => {
    for await (const { body } of subscription) bodies.push(body[0] ?? -1);
  };
  void read();
  return bodies;
}

it('over a registry of another process, what a call begins goes on after its deadline', async () => {
  const client = await registryClient();
  const open = async () => {
    const registry = await openRegistry({ adapter: 'remote', client });
    const broker = new HttpBroker({ registry });
    close.unshift(() => broker.close().finally(() => registry.close()));
    return broker;
  };
  const within = new LaterBroker(open);
  const handlers = new BrokerHandlers(within);
  const calls = await served(
    new RpcServer({ name: 'broker', port: 0 }).add(brokerProto.Broker, {
      publish: (request, context) => handlers.publish(request, context),
    }),
  );
  const { publish } = calls.of(brokerProto.Broker);
  const timeout = 3_000;
  await publish({ topic: 'orders' }, { timeout });
  // What this is about: the deadline of that call passes.
  await sleep(timeout);
  const bodies = await heard(await open());
  await expect
    .poll(async () => {
      await publish({ topic: 'orders', body: Uint8Array.of(1) });
      return bodies;
    }, soon)
    .toContain(1);
});

it('a broker that cannot be reached is unavailable, whatever the client calls it', async () => {
  const broker = new RemoteBroker(new Client({ discovery: { targets: () => [] } }));
  close.unshift(() => broker.close());
  const unavailable = { code: 'unavailable', id: 'broker' };
  await expect(broker.publish('orders', {})).rejects.toMatchObject(unavailable);
  await expect(broker.subscribe('orders')).rejects.toMatchObject(unavailable);
  await expect(broker.topics()).rejects.toMatchObject(unavailable);
});
