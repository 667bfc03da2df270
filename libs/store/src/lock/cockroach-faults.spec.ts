import { haveTool, type PostgresServer, postgresTool, startPostgres, until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Locks } from './locks.js';
import { openLocks } from './open.js';
import { lockProcesses } from './processes.contract.js';

const timeout = 120_000;

describe.skipIf(!haveTool(postgresTool))('a database', () => {
  let database: PostgresServer;
  let locks: Locks;
  beforeAll(async () => {
    database = await startPostgres();
    locks = await openLocks({ adapter: 'cockroach', url: database.url });
  });
  afterAll(async () => {
    await locks.close();
    await database[Symbol.asyncDispose]();
  });

  it('that is killed and started again while a lock is had', { timeout }, async () => {
    const lock = await locks.acquire('a', { ttl: 60_000 });
    await database.server.kill();
    await expect(lock.renew()).rejects.toMatchObject({ code: 'unavailable', id: 'store' });
    await expect(locks.acquire('b')).rejects.toMatchObject({ code: 'unavailable' });
    expect(lock.held).toBe(true);
    await database.server.start();
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
      await database.server.stop();
      await until('it is lost', () => lock.signal.aborted, 30_000);
      expect(lock.signal.reason).toMatchObject({
        code: 'aborted',
        detail: expect.stringContaining('MICRO_COCKROACH_URL') as string,
      });
      await database.server.start();
      expect((await locks.acquire('c')).token).toBeGreaterThan(lock.token);
    },
  );

  it('that goes away and comes back while a lock is waited for', { timeout }, async () => {
    const lock = await locks.acquire('d', { ttl: 60_000 });
    const next = locks.acquire('d', { ttl: 60_000 });
    await expect(locks.take('d', 'in-between', { wait: 1 })).rejects.toMatchObject({ code: 'aborted' });
    await database.server.kill();
    await database.server.start();
    await until('it can be released', () => lock.release().then(() => true), 30_000);
    expect((await next).token).toBeGreaterThan(lock.token);
  });

  lockProcesses('cockroach', { config: () => ({ adapter: 'cockroach', url: database.url }) });
});
