import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../memory.js';
import type { Change } from '../store.js';
import { fenced } from './fence.js';
import type { Lock } from './locks.js';
import { MemoryLocks } from './memory.js';

let store: MemoryStore;
let locks: MemoryLocks;
const write = (key: string, text: string, ifVersion?: bigint): Change => ({
  type: 'write',
  record: { key, value: Buffer.from(text) },
  ifVersion,
});
const read = async (key: string) => Buffer.from((await store.read(key)).value).toString();
const through = (lock: Pick<Lock, 'name' | 'token' | 'signal' | 'held'>, ...changes: Change[]) =>
  fenced(store, { key: 'fence', lock }, changes);

beforeEach(() => {
  store = new MemoryStore();
  locks = new MemoryLocks();
});
afterEach(async () => {
  await locks.close();
  await store.close();
});

/** As one that was stopped in the middle: it has not found out yet. */
function unaware({ name, token }: Lock): Pick<Lock, 'name' | 'token' | 'signal' | 'held'> {
  return { name, token, held: true, signal: new AbortController().signal };
}

describe('changes through a fence', () => {
  it('are made by whoever has the lock, and their versions told', async () => {
    const lock = await locks.acquire('a');
    expect(await through(lock)).toEqual([]);
    const versions = await through(lock, write('x', '1'), write('y', '1'));
    expect(versions).toEqual([(await store.read('x')).version, (await store.read('y')).version]);
    await through(lock, write('x', '2', versions[0]), { type: 'delete', key: 'y' });
    expect([await read('x'), (await store.list()).records.length]).toEqual(['2', 2]);
  });

  it('are refused once somebody with a greater token has been there, who needs to have changed nothing', async () => {
    const first = await locks.acquire('a');
    const stale = unaware(first);
    await through(stale, write('x', 'first'));
    await first.release();
    const second = await locks.acquire('a');
    await through(second);
    const refusal = {
      code: 'failed_precondition',
      id: 'store',
      detail: expect.stringContaining(`${second.token}`) as string,
    };
    await expect(through(stale, write('x', 'stale'))).rejects.toMatchObject(refusal);
    await expect(through(stale)).rejects.toMatchObject(refusal);
    expect(await read('x')).toBe('first');
    await through(second, write('x', 'second'));
    expect(await read('x')).toBe('second');
  });

  it('are refused to a lock that is lost or released', async () => {
    const lock = await locks.acquire('a');
    await lock.release();
    await expect(through(lock, write('x', '1'))).rejects.toMatchObject({ code: 'canceled' });
    expect((await store.list()).records).toEqual([]);
  });

  it('say which of them does not fit', async () => {
    const lock = await locks.acquire('a');
    await through(lock, write('x', '1'));
    await expect(through(lock, write('x', '2', 0n))).rejects.toMatchObject({
      code: 'aborted',
      detail: expect.stringContaining('"x"') as string,
    });
    expect(await read('x')).toBe('1');
  });

  it('of one holder at once are all made', async () => {
    const lock = await locks.acquire('a');
    await Promise.all(Array.from({ length: 20 }, (_, at) => through(lock, write(`x${at}`, '1'))));
    expect((await store.list({ prefix: 'x' })).records).toHaveLength(20);
  });

  it('go through no record that holds something else', async () => {
    await store.write({ key: 'fence', value: Buffer.from('not a token') });
    const lock = await locks.acquire('a');
    await expect(through(lock, write('x', '1'))).rejects.toMatchObject({ code: 'failed_precondition', id: 'store' });
    expect(await read('fence')).toBe('not a token');
  });
});
