import { afterEach, expect, it, vi } from 'vitest';
import { storeCapabilities } from './capabilities.js';
import { MemoryStore } from './memory.js';
import { openStore } from './open.js';
import { storeContract } from './store.contract.js';

afterEach(() => void vi.restoreAllMocks());

storeContract('memory', { capabilities: storeCapabilities.memory, open: () => openStore({ adapter: 'memory' }) });

it('a record that expires while it is being written is written all the same', async () => {
  const store = new MemoryStore();
  let now = Date.now();
  vi.spyOn(Date, 'now').mockImplementation(() => now++);
  expect(await store.write({ key: 'short', value: new Uint8Array(), ttl: 1 })).toMatchObject({ key: 'short' });
  await expect(store.read('short')).rejects.toMatchObject({ code: 'not_found' });
  await store.close();
});
