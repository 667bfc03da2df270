import { registryProto } from '@micro/proto';
import { fromMessage, openRegistry, type Registry } from '@micro/registry';
import { RpcServer } from '@micro/rpc';
import { freePort, until } from '@micro/testing';
import { afterEach, expect, it } from 'vitest';
import { readEnvironment } from './env.js';
import { type RunningApp, startApp } from './run-app.js';
import { clockApp } from './run-app.program.js';

let running: RunningApp | undefined;
let server: RpcServer | undefined;
afterEach(async () => {
  await running?.stop();
  await server?.close({ graceMs: 0 });
});

/** What apps/registry answers, on a given port. */
async function serveRegistry(registry: Registry, port: number): Promise<RpcServer> {
  const rpc = new RpcServer({ name: 'registry', port });
  rpc.add(registryProto.Registry, {
    register: async ({ service, ttlMs }, { namespace }) => {
      await registry.register(fromMessage(service as registryProto.Service), { namespace, ttl: ttlMs || undefined });
      return {};
    },
    deregister: async ({ service }, { namespace }) => {
      await registry.deregister(fromMessage(service as registryProto.Service), { namespace });
      return {};
    },
  });
  await rpc.listen();
  return rpc;
}

it('serves without a registry, registers when it comes, and is gone when it stops', async () => {
  const port = await freePort();
  const environment = readEnvironment({
    MICRO_PROFILE: 'service',
    MICRO_REGISTRY_ADDRESS: `127.0.0.1:${port}`,
    MICRO_LOG_LEVEL: 'silent',
    MICRO_STOP_DELAY: '0',
  });
  running = await startApp(clockApp, { environment });
  expect((await fetch(`http://${running.address}/readyz`)).status).toBe(200);

  const registry = await openRegistry({ adapter: 'memory' });
  server = await serveRegistry(registry, port);
  const [service] = await until('it is registered', async () => {
    const services = await registry.get('clock');
    return services.length > 0 && services;
  });
  expect(service?.nodes[0]?.address).toBe(running.address);

  await running.stop();
  running = undefined;
  expect(await registry.get('clock')).toEqual([]);
  await registry.close();
});

it('stops although the registry is away', async () => {
  const environment = readEnvironment({
    MICRO_PROFILE: 'service',
    MICRO_REGISTRY_ADDRESS: `127.0.0.1:${await freePort()}`,
    MICRO_LOG_LEVEL: 'silent',
    MICRO_STOP_DELAY: '0',
  });
  running = await startApp(clockApp, { environment });
  const { address } = running;
  await running.stop();
  running = undefined;
  await expect(fetch(`http://${address}/readyz`)).rejects.toThrow();
});
