import { MicroError } from '@micro/errors';
import { expect, it } from 'vitest';
import { Catalog } from './catalog.js';
import { LaterRegistry } from './later.js';
import { MemoryRegistry } from './memory.js';
import { outsideProcess } from './outside-process.js';
import { registryContract } from './registry.contract.js';

registryContract('later', { crossProcess: false }, async () => {
  const catalog = new Catalog();
  return {
    open: async () => new LaterRegistry(async () => new MemoryRegistry(catalog)),
    registerElsewhere: (service, ttl) => outsideProcess({ adapter: 'memory' }, { service, ttl }),
    close: async () => catalog.close(),
  };
});

const greeter = {
  name: 'greeter',
  version: '1',
  metadata: {},
  endpoints: [],
  nodes: [{ id: 'g-1', address: '127.0.0.1:1', metadata: {} }],
};

/** One that can be opened at the third attempt. */
function thirdTime() {
  let attempts = 0;
  const registry = new LaterRegistry(async () => {
    attempts++;
    if (attempts < 3) throw new MicroError('unavailable', `away ${attempts}`);
    return new MemoryRegistry();
  });
  return { registry, attempts: () => attempts };
}

it('opens when it is used, again with each call until that succeeds, and then no more', async () => {
  const { registry, attempts } = thirdTime();
  expect(attempts()).toBe(0);
  await expect(registry.register(greeter)).rejects.toMatchObject({ detail: 'away 1' });
  await expect(registry.watch().next()).rejects.toMatchObject({ detail: 'away 2' });
  await registry.register(greeter);
  expect(await registry.list()).toMatchObject([{ name: 'greeter' }]);
  expect(await registry.get('greeter')).toHaveLength(1);
  const seen: string[] = [];
  for await (const { type } of registry.watch()) {
    seen.push(type);
    if (type === 'synced') await registry.close();
  }
  expect(seen).toEqual(['created', 'synced']);
  expect(attempts()).toBe(3);
  await expect(registry.list()).rejects.toMatchObject({ code: 'failed_precondition' });
});

it('is opened once by calls that come together, and not at all by closing', async () => {
  const { registry, attempts } = thirdTime();
  const calls = await Promise.allSettled([registry.list(), registry.get('greeter'), registry.list()]);
  expect(calls.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(attempts()).toBe(1);
  await registry.close();
  await registry.close();
  expect(attempts()).toBe(1);
});
