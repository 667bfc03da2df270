import { MicroError } from '@micro/errors';
import { Metadata, runInScope } from '@micro/rpc';
import { until } from '@micro/testing';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Holding } from './holding.js';
import type { Locks } from './locks.js';
import { MemoryLocks } from './memory.js';

/** Locks that can be cut off. */
let locks: MemoryLocks;
let holding: Holding;
let reachable: boolean;
const ttl = 1_000;
const away = () => new MicroError('unavailable', 'the locks are away', { id: 'store' });

beforeEach(() => {
  locks = new MemoryLocks();
  reachable = true;
  const calling = <A extends unknown[], R>(call: (...given: A) => Promise<R>) =>
    ((...given: A) => (reachable ? call(...given) : Promise.reject(away()))) as (...given: A) => Promise<R>;
  holding = new Holding({
    take: calling((...given: Parameters<Locks['take']>) => locks.take(...given)),
    renew: calling((...given: Parameters<Locks['renew']>) => locks.renew(...given)),
    release: calling((...given: Parameters<Locks['release']>) => locks.release(...given)),
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await holding.close();
  await locks.close();
});

it('a lock that cannot be renewed is lost before somebody else can have it', async () => {
  const lock = await holding.acquire('a', { ttl });
  reachable = false;
  const next = locks.take('a', 'other');
  let wasHeld: boolean | undefined;
  void next.then(() => (wasHeld = !lock.signal.aborted));
  await until('it is lost', () => lock.signal.aborted);
  const reason = { code: 'aborted', id: 'store', detail: expect.stringContaining('the locks are away') as string };
  expect([lock.held, lock.signal.reason]).toMatchObject([false, reason]);
  expect((await next).token).toBeGreaterThan(lock.token);
  expect(wasHeld).toBe(false);
  // It stays lost.
  reachable = true;
  await expect(lock.renew()).rejects.toMatchObject(reason);
  await lock.release();
  expect(lock.signal.reason).toMatchObject(reason);
  await expect(locks.take('a', 'third', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
});

it('a lock that can be renewed again in time is kept', async () => {
  const lock = await holding.acquire('a', { ttl: 3_000 });
  reachable = false;
  await expect(lock.renew()).rejects.toMatchObject({ code: 'unavailable' });
  expect(lock.held).toBe(true);
  reachable = true;
  await expect(locks.take('a', 'other', { wait: 4_000 })).rejects.toMatchObject({ code: 'aborted' });
  expect(lock.held).toBe(true);
});

it('a lock that somebody else has is lost at the next renewal', async () => {
  const lock = await holding.acquire('a', { ttl });
  await locks.close();
  locks = new MemoryLocks();
  await until('it is lost', () => lock.signal.aborted);
  expect(lock.signal.reason).toMatchObject({ code: 'aborted', id: 'store' });
});

it('a process that was stopped finds out by asking, before any timer tells it', async () => {
  const lock = await holding.acquire('a', { ttl });
  expect(lock.held).toBe(true);
  // Nothing else runs in this process meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ttl);
  expect(lock.signal.aborted).toBe(false);
  expect(lock.held).toBe(false);
  expect(lock.signal.reason).toMatchObject({ code: 'aborted' });
});

it('a machine that slept is told by its wall clock', async () => {
  const lock = await holding.acquire('a', { ttl: 60_000 });
  vi.useFakeTimers({ now: Date.now() + 55_000, toFake: ['Date'] });
  expect(lock.held).toBe(false);
});

it('closing releases what is held, and what is had only then', async () => {
  const one = await holding.acquire('a');
  const two = await holding.acquire('b');
  await two.release();
  const late = holding.acquire('c');
  await holding.close();
  await expect(late).rejects.toMatchObject({ code: 'unavailable', id: 'store' });
  expect([one.held, one.signal.reason]).toMatchObject([false, { code: 'canceled' }]);
  for (const name of ['a', 'b', 'c']) await locks.take(name, 'other', { wait: 0 });
  await expect(holding.acquire('d')).rejects.toMatchObject({ code: 'unavailable' });
});

it('closing leaves no place in a queue, and no lock that is being given', async () => {
  await locks.take('a', 'first');
  const waiting = expect(holding.acquire('a')).rejects.toMatchObject({ code: 'unavailable', id: 'store' });
  let give: (() => void) | undefined;
  const slow = new Holding({
    take: async (...given) => {
      await new Promise<void>((resolve) => (give = resolve));
      return locks.take(given[0], given[1]);
    },
    renew: (...given) => locks.renew(...given),
    release: (...given) => locks.release(...given),
  });
  const given = expect(slow.acquire('b', { ttl: 60_000 })).rejects.toMatchObject({ code: 'unavailable', id: 'store' });
  await until('it is asked for', () => give !== undefined);
  const closing = slow.close();
  give?.();
  await Promise.all([closing, holding.close()]);
  await locks.release('a', 'first');
  for (const name of ['a', 'b']) await locks.take(name, 'other', { wait: 0 });
  await Promise.all([waiting, given]);
});

it('a lock that could not be released is released by asking again', async () => {
  const lock = await holding.acquire('a', { ttl: 60_000 });
  reachable = false;
  await expect(lock.release()).rejects.toMatchObject({ code: 'unavailable' });
  await expect(lock.release()).rejects.toMatchObject({ code: 'unavailable' });
  reachable = true;
  await lock.release();
  await lock.release();
  await locks.take('a', 'other', { wait: 0 });
});

it('an acquisition whose answer got lost leaves nothing behind', async () => {
  const cut = new Holding({
    take: async (...given) => {
      await locks.take(...given);
      throw away();
    },
    renew: (...given) => locks.renew(...given),
    release: (...given) => locks.release(...given),
  });
  await expect(cut.acquire('a', { ttl: 60_000 })).rejects.toMatchObject({ code: 'unavailable' });
  await locks.take('a', 'other');
});

it('what was waited for so long that it may be lost is renewed before it is given', async () => {
  let renewals = 0;
  const slow = new Holding({
    take: async (...given) => ({ ...(await locks.take(...given)), since: performance.now() - ttl / 2 }),
    renew: (...given) => {
      renewals++;
      return locks.renew(...given);
    },
    release: (...given) => locks.release(...given),
  });
  const lock = await slow.acquire('a', { ttl });
  expect([renewals > 0, lock.held]).toEqual([true, true]);
  await slow.close();
});

it('what a call waits for is not waited for after its end, and what it acquired is kept', async () => {
  const ending = new AbortController();
  const call = { metadata: new Metadata(), namespace: 'micro', signal: ending.signal };
  const lock = await runInScope(call, () => holding.acquire('a', { ttl }));
  const waiting = runInScope(call, () => holding.acquire('a'));
  await expect(locks.take('a', 'other', { wait: 1 })).rejects.toMatchObject({ code: 'aborted' });
  ending.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'canceled', id: 'store' });
  await expect(locks.take('a', 'other', { wait: 2 * ttl })).rejects.toMatchObject({ code: 'aborted' });
  expect(lock.held).toBe(true);
});
