import { etcdTool, type EtcdServers, haveTool, type ServerProcess, startEtcd, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Locks } from './locks.js';
import { openLocks } from './open.js';
import { lockProcesses } from './processes.contract.js';

const timeout = 120_000;

describe.skipIf(!haveTool(etcdTool))('one etcd', () => {
  let etcd: EtcdServers;
  let server: ServerProcess;
  let locks: Locks;
  beforeAll(async () => {
    etcd = await startEtcd();
    [server] = etcd.members as [ServerProcess];
    locks = await openLocks({ adapter: 'etcd', addresses: etcd.addresses });
  });
  afterAll(async () => {
    await locks.close();
    await etcd[Symbol.asyncDispose]();
  });

  it('that is killed and started again while a lock is had', { timeout }, async () => {
    const lock = await locks.acquire('a', { ttl: 60_000 });
    await server.kill();
    await expect(lock.renew()).rejects.toMatchObject({
      code: 'unavailable',
      id: 'store',
      detail: expect.stringContaining(etcd.addresses[0] as string) as string,
    });
    await expect(locks.acquire('b')).rejects.toMatchObject({ code: 'unavailable' });
    expect(lock.held).toBe(true);
    await server.start();
    await until('it can be renewed', () => lock.renew().then(() => true));
    await expect(locks.acquire('a', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
    await lock.release();
    expect((await locks.acquire('a')).token).toBeGreaterThan(lock.token);
  });

  it(
    'that is away for longer than ttl: the lock is lost, and had by somebody with a greater token later',
    { timeout },
    async () => {
      const lock = await locks.acquire('c', { ttl: 3_000 });
      await server.stop();
      await until('it is lost', () => lock.signal.aborted, 30_000);
      expect(lock.signal.reason).toMatchObject({ code: 'aborted', id: 'store' });
      await server.start();
      expect((await locks.acquire('c')).token).toBeGreaterThan(lock.token);
    },
  );

  it('that goes away and comes back while a lock is waited for', { timeout }, async () => {
    const lock = await locks.acquire('d', { ttl: 60_000 });
    const next = locks.acquire('d', { ttl: 60_000 });
    await expect(locks.take('d', 'in-between', { wait: 1 })).rejects.toMatchObject({ code: 'aborted' });
    await server.kill();
    await server.start();
    await until('it can be released', () => lock.release().then(() => true), 30_000);
    expect((await next).token).toBeGreaterThan(lock.token);
  });

  it('that hangs: calls fail in time', { timeout }, async () => {
    server.pause();
    try {
      await expect(locks.acquire('e')).rejects.toMatchObject({ code: 'unavailable' });
    } finally {
      server.resume();
    }
    await until('it is had', () => locks.acquire('e', { wait: 0 }).then(() => true));
  });
});

describe.skipIf(!haveTool(etcdTool))('three members', () => {
  let etcd: EtcdServers;
  let locks: Locks | undefined;
  beforeAll(async () => void (etcd = await startEtcd({ members: 3 })));
  afterEach(async () => {
    await locks?.close();
    locks = undefined;
  });
  afterAll(() => etcd[Symbol.asyncDispose]());

  const config = () => ({ adapter: 'etcd', addresses: etcd.addresses }) as const;

  it('keep a lock while one after the other is killed and started again', { timeout }, async () => {
    locks = await openLocks(config());
    const lock = await locks.acquire('a', { ttl: 10_000 });
    for (const member of etcd.members) {
      await member.kill();
      await until('it can be renewed', () => lock.renew().then(() => true), 30_000);
      await member.start();
    }
    expect(lock.held).toBe(true);
    await expect(locks.acquire('a', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
  });

  lockProcesses('etcd', {
    config,
    fault: async () => {
      const [first] = etcd.members as [ServerProcess];
      await first.kill();
      await first.start();
    },
  });
});
