import { haveTool, postgresTool, until } from '@micro/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CockroachServer } from '../cockroach-server.rig.js';
import type { Locks } from './locks.js';
import { openLocks } from './open.js';
import { lockProcesses } from './processes.contract.js';

const timeout = 120_000;

describe.skipIf(!haveTool(postgresTool))('a database', () => {
  let database: CockroachServer;
  let locks: Locks;
  beforeAll(async () => {
    database = await CockroachServer.start();
    locks = await openLocks({ adapter: 'cockroach', url: database.url });
  });
  afterAll(async () => {
    await locks.close();
    await database[Symbol.asyncDispose]();
  });

  it('that is killed and started again while a lock is had', { timeout }, async () => {
    const lock = await locks.acquire('a', { ttl: 60_000 });
    await database.process.kill();
    await expect(lock.renew()).rejects.toMatchObject({ code: 'unavailable', id: 'store' });
    await expect(locks.acquire('b')).rejects.toMatchObject({ code: 'unavailable' });
    expect(lock.held).toBe(true);
    await database.process.start();
    await until('it can be renewed', () => lock.renew().then(() => true));
    await expect(locks.acquire('a', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
    await lock.release();
    expect((await locks.acquire('a')).token).toBeGreaterThan(lock.token);
  });

  it(
    'that is away for longer than ttl: the lock is lost, and had by somebody with a greater token later',
    { timeout },
    async () => {
      const lock = await locks.acquire('c', { ttl: 2_000 });
      await database.process.stop();
      await until('it is lost', () => lock.signal.aborted, 30_000);
      expect(lock.signal.reason).toMatchObject({
        code: 'aborted',
        detail: expect.stringContaining('MICRO_COCKROACH_URL') as string,
      });
      await database.process.start();
      expect((await locks.acquire('c')).token).toBeGreaterThan(lock.token);
    },
  );

  it('that goes away and comes back while a lock is waited for', { timeout }, async () => {
    const lock = await locks.acquire('d', { ttl: 60_000 });
    const next = locks.acquire('d', { ttl: 60_000 });
    await expect(locks.take('d', 'in-between', { wait: 1 })).rejects.toMatchObject({ code: 'aborted' });
    await database.process.kill();
    await database.process.start();
    await until('it can be released', () => lock.release().then(() => true), 30_000);
    expect((await next).token).toBeGreaterThan(lock.token);
  });

  it('that hangs while a lock is had, for less than ttl and for longer', { timeout }, async () => {
    const config = { adapter: 'cockroach', url: database.url, timeout: 1_000 } as const;
    const holding = await openLocks(config);
    const others = await openLocks(config);
    try {
      const [short, long] = [await holding.acquire('e', { ttl: 5_000 }), await holding.acquire('f', { ttl: 60_000 })];
      // Who is about to connect when it begins to hang is told so, and asks again.
      const next = until('somebody else has it', () => others.acquire('e', { ttl: 60_000 }), 60_000);
      let wasHeld: boolean | undefined;
      void next.then(() => (wasHeld = short.held));
      database.pause();
      try {
        const silent = { code: 'unavailable', detail: expect.stringContaining('does not answer') as string };
        await expect(long.renew()).rejects.toMatchObject(silent);
        await expect(others.acquire('g')).rejects.toMatchObject(silent);
        await until('it is lost', () => short.signal.aborted, 30_000);
        expect(short.signal.reason).toMatchObject({
          code: 'aborted',
          detail: expect.stringContaining(`${new URL(database.url).host} does not answer`) as string,
        });
        expect(long.held).toBe(true);
      } finally {
        database.resume();
      }
      expect((await next).token).toBeGreaterThan(short.token);
      expect(wasHeld).toBe(false);
      await until('it can be renewed', () => long.renew().then(() => true), 30_000);
      await expect(others.acquire('f', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
    } finally {
      await Promise.all([holding.close(), others.close()]);
    }
  });

  it('that cannot remove what is over gives locks all the same', { timeout }, async () => {
    await (await locks.acquire('h')).release();
    const administrator = new pg.Client(database.url);
    await administrator.connect();
    await administrator.query(`
      CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
      CREATE TRIGGER refuse BEFORE DELETE ON micro_locks FOR EACH STATEMENT EXECUTE FUNCTION refuse();
      CREATE TRIGGER refuse BEFORE DELETE ON micro_lock_queue FOR EACH ROW EXECUTE FUNCTION refuse()`);
    try {
      // More than there are between two removals.
      for (let round = 0; round < 120; round++) await (await locks.acquire('h')).release();
      const lock = await locks.acquire('i');
      const next = locks.take('i', 'next', { wait: 30_000 });
      await expect(locks.take('i', 'in-between', { wait: 1 })).rejects.toMatchObject({ code: 'aborted' });
      await lock.release();
      expect((await next).token).toBeGreaterThan(lock.token);
    } finally {
      await administrator.query('DROP FUNCTION refuse CASCADE');
      await administrator.end();
    }
  });

  lockProcesses('cockroach', { config: () => ({ adapter: 'cockroach', url: database.url }) });
});
