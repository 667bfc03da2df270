import { expect, it } from 'vitest';
import { brokerContract } from './broker.contract.js';
import { brokerCapabilities } from './capabilities.js';
import { LaterBroker } from './later.js';
import { MemoryBroker } from './memory.js';

brokerContract('later', {
  capabilities: brokerCapabilities.memory,
  open: async () => new LaterBroker(async () => new MemoryBroker()),
});

it('opens once, when it is used, and again where it could not be opened', async () => {
  let opened = 0;
  const broker = new LaterBroker(async () => {
    if (opened++ === 0) throw new Error('not yet');
    return new MemoryBroker();
  });
  await expect(broker.topics()).rejects.toThrow('not yet');
  expect(await Promise.all([broker.topics(), broker.topics()])).toEqual([[], []]);
  expect(opened).toBe(2);
  await broker.close();
});

it('that was never used closes without being opened', async () => {
  const broker = new LaterBroker(() => Promise.reject(new Error('opened')));
  await broker.close();
  await expect(broker.publish('orders', {})).rejects.toMatchObject({ code: 'unavailable' });
});
