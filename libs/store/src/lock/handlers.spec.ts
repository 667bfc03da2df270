import { until } from '@micro/testing';
import { expect, it } from 'vitest';
import type { AcquireOptions, Grant } from './locks.js';
import { MemoryLocks } from './memory.js';
import { RemoteLocks } from './remote.js';
import { serveLocks } from './served-locks.fixture.js';

/** Locks that are given just when whoever wants one gives it up. */
class LateLocks extends MemoryLocks {
  asked = false;

  override async take(name: string, id: string, { signal, ...options }: AcquireOptions = {}): Promise<Grant> {
    if (id !== 'one') return super.take(name, id, options);
    this.asked = true;
    await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
    return super.take(name, id, options);
  }
}

it('a lock that is given up while it is being given is nobody’s', async () => {
  const locks = new LateLocks();
  const { client, close } = await serveLocks(locks);
  const remote = new RemoteLocks(client);
  try {
    const taking = remote.take('a', 'one', { ttl: 60_000 });
    await until('it is asked for', () => locks.asked);
    await remote.release('a', 'one');
    await Promise.allSettled([taking]);
    expect((await remote.take('a', 'other', { wait: 0 })).token).toBeGreaterThan(0n);
  } finally {
    await remote.close();
    await close();
  }
});
