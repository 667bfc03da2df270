import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Capabilities } from '../capabilities.js';
import type { AcquireOptions, Lock, Locks } from './locks.js';

export interface LocksContractOptions {
  readonly capabilities: Capabilities;
  /** Locks that see what others opened here see, where the capabilities say so. The suite closes them. */
  readonly open: () => Promise<Locks>;
}

const testTimeout = 60_000;
const soon = { timeout: 20_000, interval: 5 };
const ttl = 1_000;
const aborted = { code: 'aborted', id: 'store' };

/** The contract of locks.ts, run on an adapter. */
export function locksContract(adapter: string, { capabilities, open }: LocksContractOptions): void {
  describe(`${adapter} locks`, { timeout: testTimeout }, () => {
    let opened: Locks[];
    let locks: Locks;
    /** Of no other test. */
    let database: string;

    const another = async () => {
      const one = await open();
      opened.push(one);
      return one;
    };
    const acquire = (name: string, options: AcquireOptions = {}, from: Locks = locks) =>
      from.acquire(name, { database, ...options });
    /** Without renewing it; the token. */
    const take = async (name: string, id: string, options: AcquireOptions = {}) =>
      (await locks.take(name, id, { database, ttl, ...options })).token;
    const refused = (name: string, from?: Locks) =>
      expect(acquire(name, { wait: 0 }, from)).rejects.toMatchObject(aborted);

    beforeEach(async () => {
      opened = [];
      database = `d-${randomUUID()}`;
      locks = await another();
    });
    afterEach(async () => {
      await Promise.all(opened.map((one) => one.close()));
    });

    describe('a lock', () => {
      it('is had by one, until it is released', async () => {
        const lock = await acquire('a');
        expect(lock).toMatchObject({ name: 'a', held: true });
        expect([typeof lock.token, lock.token > 0n, lock.signal.aborted]).toEqual(['bigint', true, false]);
        await refused('a');
        await lock.renew();
        await refused('a');
        await lock.release();
        expect([lock.held, lock.signal.reason]).toMatchObject([false, { code: 'canceled', id: 'store' }]);
        const next = await acquire('a', { wait: 0 });
        expect(next.token).toBeGreaterThan(lock.token);
        await lock.release();
        await expect(lock.renew()).rejects.toMatchObject({ code: 'canceled' });
        await refused('a');
        expect(next.held).toBe(true);
      });

      it('is kept beyond its ttl, and had by nobody else meanwhile', async () => {
        // Long enough that a busy machine renews it in time.
        const lock = await acquire('a', { ttl: 2 * ttl });
        await expect(acquire('a', { wait: 5 * ttl })).rejects.toMatchObject(aborted);
        expect([lock.held, lock.signal.aborted]).toEqual([true, false]);
        await refused('a');
      });

      it('has no more to do with another name, table or database', async () => {
        const names = [
          'a',
          'a/b',
          'a/b/c',
          'A',
          'a ',
          'ä',
          'a\u0308',
          '..',
          'a\0b',
          '%61',
          '\u{1f512}',
          'x'.repeat(512),
        ];
        const all = await Promise.all(names.map((name) => acquire(name, { wait: 0 })));
        const others = [
          { table: 'other' },
          { database: `${database}-2` },
          { database: `${database}-2`, table: 'other' },
        ];
        all.push(...(await Promise.all(others.map((place) => acquire('a', { wait: 0, ...place })))));
        expect(all.filter(({ held }) => held)).toHaveLength(names.length + others.length);
        for (const name of names) await refused(name);
        await Promise.all(all.map((lock) => lock.release()));
      });

      it.each([
        ['no name', '', {}],
        ['a name of 513 bytes', 'x'.repeat(513), {}],
        ['a name of 514 bytes', 'é'.repeat(257), {}],
        ['half a character', '\ud800', {}],
        ['a name that is no text', 1 as never, {}],
        ['a ttl that is too short', 'a', { ttl: 999 }],
        ['a ttl that is too long', 'a', { ttl: 86_400_001 }],
        ['a ttl that is no number', 'a', { ttl: Number.NaN }],
        ['a wait below 0', 'a', { wait: -1 }],
        ['a wait that is no number', 'a', { wait: Number.NaN }],
        ['a table that cannot be', 'a', { table: 'a/b' }],
        ['a database that cannot be', 'a', { database: '' }],
      ])('is refused with %s', async (_what, name, options) => {
        const wrong = { code: 'invalid_argument', id: 'store' };
        await expect(acquire(name, options)).rejects.toMatchObject(wrong);
        await expect(locks.take(name, 'id', { database, ...options })).rejects.toMatchObject(wrong);
      });

      it.each([
        ['no id', ''],
        ['an id of two words', 'a b'],
        ['an id of 101 characters', 'x'.repeat(101)],
        ['an id with other letters', 'ä'],
      ])('is not taken by %s', async (_what, id) => {
        const wrong = { code: 'invalid_argument', id: 'store' };
        await expect(take('a', id)).rejects.toMatchObject(wrong);
        await expect(locks.renew('a', id, { database })).rejects.toMatchObject(wrong);
        await expect(locks.release('a', id, { database })).rejects.toMatchObject(wrong);
      });
    });

    describe('taken by an id', () => {
      it('is the same when it is asked again, and that id’s alone', async () => {
        const token = await take('a', 'one', { ttl: 60_000 });
        expect(await take('a', 'one', { ttl: 60_000 })).toBe(token);
        await expect(take('a', 'two', { wait: 0 })).rejects.toMatchObject(aborted);
        await locks.renew('a', 'one', { database, ttl: 60_000 });
        await expect(locks.renew('a', 'two', { database })).rejects.toMatchObject(aborted);
        await expect(locks.renew('b', 'one', { database })).rejects.toMatchObject(aborted);
        await locks.release('a', 'two', { database });
        await refused('a');
        await locks.release('a', 'one', { database });
        await locks.release('a', 'one', { database });
        await expect(locks.renew('a', 'one', { database })).rejects.toMatchObject(aborted);
        expect(await take('a', 'one')).toBeGreaterThan(token);
      });

      it('is free when its ttl has passed, not before, with a greater token for the next', async () => {
        const begun = performance.now();
        const token = await take('a', 'one');
        await refused('a');
        const next = await acquire('a');
        expect(performance.now() - begun).toBeGreaterThanOrEqual(ttl - 5);
        expect(next.token).toBeGreaterThan(token);
        await expect(locks.renew('a', 'one', { database, ttl })).rejects.toMatchObject(aborted);
        await locks.release('a', 'one', { database });
        await refused('a');
      });

      it('lasts for another ttl from each renewal on', async () => {
        await take('a', 'one');
        await locks.renew('a', 'one', { database, ttl: 60_000 });
        await expect(acquire('a', { wait: 4 * ttl })).rejects.toMatchObject(aborted);
        const begun = performance.now();
        await locks.renew('a', 'one', { database, ttl });
        await acquire('a');
        expect(performance.now() - begun).toBeGreaterThanOrEqual(ttl - 5);
      });

      it('is waited for by the id, whatever else that gives up meanwhile', async () => {
        const token = await take('a', 'one', { ttl: 60_000 });
        await take('b', 'two', { ttl: 60_000 });
        const waiting = take('a', 'two', { ttl: 60_000 });
        await expect(take('a', 'three', { wait: 1 })).rejects.toMatchObject(aborted);
        // Each is answered, so that it is waited for by the last at the latest.
        for (let round = 0; round < 20; round++) await locks.release('b', 'two', { database });
        await locks.release('a', 'one', { database });
        expect(await waiting).toBeGreaterThan(token);
      });

      it('says since when, at the earliest', async () => {
        const before = performance.now();
        const grants = [await locks.take('a', 'one', { database })];
        const waiting = locks.take('a', 'two', { database });
        await locks.release('a', 'one', { database });
        grants.push(await waiting);
        for (const { since } of grants) {
          expect(since).toBeGreaterThanOrEqual(before);
          expect(since).toBeLessThanOrEqual(performance.now());
        }
      });
    });

    describe('those who wait', () => {
      it('get it in the order in which they came', async () => {
        const first = await acquire('a');
        const ids = ['1', '2', '3', '4', '5', '6'];
        // Each comes when the one before has its place.
        const waiting: Promise<bigint>[] = [];
        const served: string[] = [];
        for (const id of ids) {
          await expect(take('a', id, { wait: 1 })).rejects.toMatchObject(aborted);
          const turn = async () => {
            const token = await take('a', id, { ttl: 60_000 });
            served.push(id);
            await locks.release('a', id, { database });
            return token;
          };
          waiting.push(turn());
        }
        await first.release();
        const tokens = await Promise.all(waiting);
        expect(served).toEqual(ids);
        const ascending = tokens.every((token, at) => token > (at === 0 ? first.token : (tokens[at - 1] as bigint)));
        expect(ascending, tokens.join()).toBe(true);
      });

      it('are before those who come when it is free', async () => {
        const first = await acquire('a');
        await expect(take('a', 'waits', { wait: 1 })).rejects.toMatchObject(aborted);
        await first.release();
        await refused('a');
        await take('a', 'waits', { wait: 0 });
      });

      it('are passed over when they do not ask again', async () => {
        const first = await acquire('a');
        await expect(take('a', 'gone', { wait: 1 })).rejects.toMatchObject(aborted);
        await first.release();
        expect((await acquire('a')).token).toBeGreaterThan(first.token);
      });

      it('leave at once when they give up, or have waited for as long as they would', async () => {
        const first = await acquire('a', { ttl: 60_000 });
        const ending = new AbortController();
        const given = [acquire('a', { signal: ending.signal }), acquire('a', { wait: 50 })];
        const outcomes = Promise.allSettled(given);
        const next = acquire('a');
        await expect(given[1]).rejects.toMatchObject(aborted);
        ending.abort();
        const codes = (await outcomes).map(
          (outcome) => outcome.status === 'rejected' && (outcome.reason as { code: string }).code,
        );
        expect(codes).toEqual(['canceled', 'aborted']);
        const never = acquire('b', { signal: AbortSignal.abort() });
        await expect(never).rejects.toMatchObject({ code: 'canceled', id: 'store' });
        await first.release();
        expect((await next).token).toBeGreaterThan(first.token);
        await expect.poll(() => acquire('b', { wait: 0 }).then(({ held }) => held, String), soon).toBe(true);
      });

      it('of many at once one after the other has it', { timeout: 120_000 }, async () => {
        let inside = 0;
        const tokens: bigint[] = [];
        const turn = async (from: Locks) => {
          const lock = await acquire('a', {}, from);
          // At once: where it is had by two, others may wait for ever.
          expect(++inside).toBe(1);
          tokens.push(lock.token);
          await new Promise(setImmediate);
          inside--;
          await lock.release();
        };
        const other = capabilities.shared === 'instance' ? locks : await another();
        await Promise.all(Array.from({ length: 24 }, (_, at) => turn(at % 2 === 0 ? locks : other)));
        expect(tokens).toHaveLength(24);
        expect([...tokens].sort((a, b) => Number(a - b))).toEqual(tokens);
        expect(new Set(tokens).size).toBe(24);
      });
    });

    describe('closing', () => {
      it('gives up what is waited for, and refuses what comes later', async () => {
        const lock = await acquire('a');
        const waiting = acquire('a');
        const over = { code: 'unavailable', id: 'store' };
        const refusal = expect(waiting).rejects.toMatchObject(over);
        await locks.close();
        await refusal;
        expect([lock.held, lock.signal.aborted]).toEqual([false, true]);
        await locks.close();
        await expect(acquire('a')).rejects.toMatchObject(over);
        await expect(locks.take('a', 'one', { database })).rejects.toMatchObject(over);
        await expect(locks.renew('a', 'one', { database })).rejects.toMatchObject(over);
        await expect(locks.release('a', 'one', { database })).rejects.toMatchObject(over);
      });
    });

    describe('who sees them', () => {
      it(capabilities.shared === 'instance' ? 'is this instance alone' : 'is whoever opens the same', async () => {
        const lock = await acquire('a');
        const other = await another();
        if (capabilities.shared === 'instance') {
          expect((await acquire('a', { wait: 0 }, other)).held).toBe(true);
          return;
        }
        await refused('a', other);
        const waiting = acquire('a', {}, other);
        await lock.release();
        const next = await waiting;
        expect(next.token).toBeGreaterThan(lock.token);
        await refused('a');
        // What was acquired there is free once that is closed.
        await other.close();
        expect((await acquire('a')).token).toBeGreaterThan(next.token);
      });

      it('wait for nobody who is closed', async () => {
        if (capabilities.shared === 'instance') return;
        const lock = await acquire('a', { ttl: 60_000 });
        const other = await another();
        const waiting = expect(acquire('a', {}, other)).rejects.toMatchObject({ code: 'unavailable', id: 'store' });
        // Each is answered, so that it is waited for by the last at the latest.
        for (let round = 0; round < 20; round++) await refused('a', other);
        await Promise.all([other.close(), waiting]);
        await lock.release();
        expect((await acquire('a', { wait: 0 })).token).toBeGreaterThan(lock.token);
      });

      it('find no smaller token when all are opened again', async () => {
        if (capabilities.survives === 'nothing') return;
        const tokens: bigint[] = [];
        for (let round = 0; round < 3; round++) {
          const lock: Lock = await acquire('a', {}, await another());
          tokens.push(lock.token);
          await Promise.all(opened.map((one) => one.close()));
        }
        expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => Number(a - b)));
      });
    });
  });
}
