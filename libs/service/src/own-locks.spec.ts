import { until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { close, fenced, lock, type Lock, locks, open, store } from './index.js';

beforeEach(() => open({ profile: 'test', name: 'shop' }));
afterEach(() => close());

const aborted = { code: 'aborted' };

describe('lock', () => {
  it('does work that nobody else does at the same time, and returns what it does', async () => {
    let inside = 0;
    let most = 0;
    const work = async ({ token }: Lock) => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
      return token;
    };
    const tokens = await Promise.all([1, 2, 3, 4, 5].map(() => lock('count', work)));
    expect([most, new Set(tokens).size]).toEqual([1, 5]);
  });

  it('is released when the work is over, also when it fails', async () => {
    const failure = new Error('no');
    const failing = lock('a', { wait: 0 }, async () => {
      await expect(lock('a', { wait: 0 }, async () => undefined)).rejects.toMatchObject(aborted);
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    expect(await lock('a', { wait: 0 }, async ({ held }) => held)).toBe(true);
  });

  it('fails when the lock was lost meanwhile, whatever the work returned', async () => {
    const work = lock('a', { ttl: 1_000 }, async ({ signal }) => {
      // Nothing is renewed for as long as nothing runs.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
      return signal.aborted;
    });
    await expect(work).rejects.toMatchObject(aborted);
  });

  it('is not waited for any more when its signal aborts', async () => {
    await lock('a', async () => {
      const ending = new AbortController();
      const waiting = lock('a', { signal: ending.signal }, async () => undefined);
      ending.abort();
      await expect(waiting).rejects.toMatchObject({ code: 'canceled' });
      const never = lock('a', { signal: AbortSignal.abort() }, async () => undefined);
      await expect(never).rejects.toMatchObject({ code: 'canceled' });
    });
  });

  it('is waited for by a service that stops, as long as work goes on, and no more begins', async () => {
    const told: string[] = [];
    let go = () => undefined as void;
    const working = lock('a', async ({ signal }) => {
      told.push('begun');
      await new Promise<void>((resolve) => (go = resolve));
      told.push(`done ${signal.aborted}`);
    });
    const waiting = lock('a', async () => told.push('never')).catch((error: { code: string }) => told.push(error.code));
    await until('it has begun', () => told.includes('begun'));
    const closing = close().then(() => told.push('closed'));
    await waiting;
    go();
    await Promise.all([working, closing]);
    expect(told).toEqual(['begun', 'canceled', 'done false', 'closed']);
  });
});

describe('locks', () => {
  it('are the service’s own, unless another place is named', async () => {
    await locks.acquire('a');
    await expect(locks.acquire('a', { wait: 0, table: 'shop' })).rejects.toMatchObject(aborted);
    const other = await locks.acquire('a', { wait: 0, table: 'other' });
    await other.renew();
    await other.release();
    await locks.take('b', 'me', { ttl: 60_000 });
    await locks.renew('b', 'me');
    await locks.release('b', 'me');
    expect((await locks.acquire('b', { wait: 0 })).held).toBe(true);
  });

  it('are released when the process’s last service is', async () => {
    const held = await locks.acquire('a');
    await close();
    expect([held.held, held.signal.aborted]).toEqual([false, true]);
  });
});

it('changes through a fence are refused to whoever had the lock before', async () => {
  const value = (text: string) => new TextEncoder().encode(text);
  let before: Lock | undefined;
  await lock('a', async (held) => {
    before = { ...held, name: held.name, token: held.token, held: true, signal: new AbortController().signal };
    await fenced({ key: 'fence', lock: held }, [{ type: 'write', record: { key: 'k', value: value('1') } }]);
  });
  await lock('a', async (held) => void (await fenced({ key: 'fence', lock: held })));
  const late = fenced({ key: 'fence', lock: before as Lock }, [{ type: 'delete', key: 'k' }]);
  await expect(late).rejects.toMatchObject({ code: 'failed_precondition' });
  expect((await store.read('k')).value).toEqual(value('1'));
});
