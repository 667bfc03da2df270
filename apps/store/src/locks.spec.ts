import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import { openRegistry, type Registry } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { type Locks, openLocks } from '@micro/store';
import { silentLogger } from '@micro/telemetry';
import { type EtcdServers, etcdTool, haveTool, type ServerProcess, startEtcd, temporaryFolder } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeApp } from './store.app.js';
import { post, startOnFiles } from './store-app.rig.js';

describe('the locks of the store app', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let app: RunningApp;
  let registry: Registry;
  let client: Client;
  let locks: Locks;

  const start = (address: string) => startOnFiles(folder.path, registry, address);
  beforeEach(async () => {
    folder = await temporaryFolder();
    registry = await openRegistry({ adapter: 'memory' });
    app = await start('127.0.0.1:0');
    client = new Client({ discovery: fixedTargets(app.address) });
    locks = await openLocks({ adapter: 'remote', client });
  });
  afterEach(async () => {
    await locks.close();
    await client.close();
    await app.stop();
    await registry.close();
    await folder[Symbol.asyncDispose]();
  });

  const call = (method: string, body: unknown, namespace = 'micro') =>
    post(`${app.address}/store.Locks/${method}`, body, namespace);

  it('are had by curl, in the database of the call’s namespace', async () => {
    const one = { name: 'a', id: 'one' };
    const first = await call('Acquire', one, 'curl');
    expect(first).toMatchObject({ status: 200, body: { token: expect.stringMatching(/^[1-9]\d*$/) as string } });
    expect(await call('Acquire', one, 'curl')).toEqual(first);
    expect(await call('Acquire', { name: 'a', id: 'two' }, 'curl')).toMatchObject({
      status: 409,
      body: { code: 'aborted' },
    });
    expect((await call('Acquire', { name: 'a', id: 'two' }, 'other')).status).toBe(200);
    expect((await call('Acquire', { name: 'a', id: 'two', table: 'other' }, 'curl')).status).toBe(200);
    expect(await call('Renew', { ...one, ttlMs: 60_000 }, 'curl')).toEqual({ status: 200, body: {} });
    expect(await call('Renew', { name: 'a', id: 'two' }, 'curl')).toMatchObject({
      status: 409,
      body: { code: 'aborted' },
    });
    expect(await call('Release', one, 'curl')).toEqual({ status: 200, body: {} });
    expect(await call('Release', one, 'curl')).toEqual({ status: 200, body: {} });
    const next = await call('Acquire', { name: 'a', id: 'two', waitMs: 1_000 }, 'curl');
    expect(Number(next.body['token'])).toBeGreaterThan(Number(first.body['token']));
  });

  it('are those of another database for callers in micro alone', async () => {
    for (const method of ['Acquire', 'Renew', 'Release']) {
      const request = { name: 'a', id: 'one', database: 'theirs' };
      expect((await call(method, request)).status, method).toBe(200);
      if (method !== 'Renew') expect((await call(method, request, 'theirs')).status).toBe(200);
      const answer = await call(method, request, 'mine');
      expect(answer, method).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
      if (method === 'Acquire') await call('Renew', request);
    }
  });

  it.each([
    ['no name', 'Acquire', { id: 'one' }, 'name of the lock is empty'],
    ['a name of 10,000 characters', 'Acquire', { name: 'x'.repeat(10_000), id: 'one' }, '512 are the most'],
    ['no id', 'Acquire', { name: 'a' }, 'make up one'],
    ['an id that cannot be', 'Release', { name: 'a', id: 'a b' }, 'the id "a b"'],
    ['a ttl that is too short', 'Acquire', { name: 'a', id: 'one', ttlMs: 999 }, 'ttl 999'],
    ['a ttl that is too long', 'Renew', { name: 'a', id: 'one', ttlMs: 86_400_001 }, 'ttl 86400001'],
    ['a ttl below 0', 'Acquire', { name: 'a', id: 'one', ttlMs: -1 }, 'ttlMs'],
    ['a table that cannot be', 'Acquire', { name: 'a', id: 'one', table: '../..' }, 'table "../.."'],
    ['what is no JSON', 'Acquire', '{"name":', ''],
  ])('refuse %s', async (_what, method, body, reason) => {
    const answer = await call(method, body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    expect(answer.body['message']).toContain(reason);
  });

  it('are kept, and waited for, while the app is restarted', { timeout: 60_000 }, async () => {
    const held = await locks.acquire('a', { ttl: 30_000 });
    let served = false;
    const next = locks.acquire('a').then((lock) => {
      served = true;
      return lock;
    });
    // There is a place in the queue before that one.
    expect((await call('Acquire', { name: 'a', id: 'other', waitMs: 1 })).status).toBe(409);
    const { address } = app;
    await app.stop();
    expect(held.held).toBe(true);
    await expect(locks.acquire('b')).rejects.toMatchObject({ code: 'unavailable' });
    app = await start(address);
    await expect.poll(() => held.renew().then(() => true, String), { timeout: 20_000 }).toBe(true);
    await expect(locks.acquire('a', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
    expect(served).toBe(false);
    await held.release();
    expect((await next).token).toBeGreaterThan(held.token);
  });

  it('stay with their holders when connections break', { timeout: 60_000 }, async () => {
    const held = await locks.acquire('a', { ttl: 30_000 });
    // Another client is another connection; the first one's are gone.
    await client.close();
    client = new Client({ discovery: fixedTargets(app.address) });
    const others = await openLocks({ adapter: 'remote', client });
    await expect(others.acquire('a', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
    expect(held.held).toBe(true);
    await others.close();
  });
});

/** Of an app whose locks, and nothing else, are in etcd. */
const locksIn = (etcd: EtcdServers, home: string) =>
  readEnvironment({
    MICRO_PROFILE: 'test',
    MICRO_LOCKS: 'etcd',
    MICRO_ETCD_ADDRESS: etcd.addresses.join(),
    MICRO_ADDRESS: '127.0.0.1:0',
    MICRO_HOME: home,
    MICRO_STOP_DELAY: '0',
  });

it.skipIf(!haveTool(etcdTool))(
  'the app is ready when the etcd that only its locks are in has answered',
  { timeout: 60_000 },
  async () => {
    await using etcd = await startEtcd();
    await using folder = await temporaryFolder();
    const registry = await openRegistry({ adapter: 'memory' });
    const environment = locksIn(etcd, folder.path);
    const [member] = etcd.members as [ServerProcess];
    await member.stop();
    await using app = await startApp(storeApp, { environment, registry, logger: silentLogger });
    const readiness = async () => (await fetch(`http://${app.address}/readyz`)).status;
    expect(await readiness()).toBe(503);
    // Records are not in it.
    expect((await post(`${app.address}/store.Store/Write`, { record: { key: 'a' } }, 'micro')).status).toBe(200);
    const away = await post(`${app.address}/store.Locks/Acquire`, { name: 'a', id: 'one' }, 'micro');
    expect(away).toMatchObject({
      status: 503,
      body: { message: expect.stringContaining(etcd.addresses[0] as string) },
    });
    expect(await readiness()).toBe(503);
    await member.start();
    await app.ready;
    expect(await readiness()).toBe(200);
    await registry.close();
  },
);

it.skipIf(!haveTool(etcdTool))('locks may be in etcd, wherever records are', { timeout: 60_000 }, async () => {
  await using etcd = await startEtcd();
  await using folder = await temporaryFolder();
  const registry = await openRegistry({ adapter: 'memory' });
  const environment = locksIn(etcd, folder.path);
  const app = await startApp(storeApp, { environment, registry, logger: silentLogger });
  await app.ready;
  const client = new Client({ discovery: fixedTargets(app.address) });
  const [through, direct] = await Promise.all([
    openLocks({ adapter: 'remote', client }),
    openLocks({ adapter: 'etcd', addresses: etcd.addresses }),
  ]);
  const lock = await through.acquire('a');
  await expect(direct.acquire('a', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
  const next = direct.acquire('a');
  await lock.release();
  expect((await next).token).toBeGreaterThan(lock.token);
  for (const one of [direct, through, client, registry]) await one.close();
  await app.stop();
});
