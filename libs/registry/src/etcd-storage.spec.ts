import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { etcdTool, type EtcdServers, haveTool, startEtcd, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { greeter, listen, node } from './contract/services.fixture.js';
import { eventually, faultTimeout, type World, watching, world } from './etcd.fixture.js';
import { outsideProcess } from './outside-process.js';
import type { Registry } from './registry.js';

describe.skipIf(!haveTool(etcdTool))('what a registry keeps in etcd', { timeout: faultTimeout }, () => {
  let servers: EtcdServers;
  let rig: World;
  let registry: Registry;
  let other: Registry;
  const intervals: NodeJS.Timeout[] = [];

  beforeAll(async () => {
    servers = await startEtcd();
  });
  afterAll(() => servers[Symbol.asyncDispose]());
  beforeEach(async () => {
    rig = world(servers.addresses);
    registry = await rig.open();
    other = await rig.open();
  });
  afterEach(async () => {
    for (const interval of intervals.splice(0)) clearInterval(interval);
    await rig.end();
  });

  const every = (milliseconds: number, work: () => Promise<unknown>) =>
    intervals.push(setInterval(() => void work().catch(() => undefined), milliseconds));
  const contents = async () => (await rig.keys()).filter((key) => key.includes('/contents/'));
  const revision = async () => (await rig.etcd.kv.range({ key: Buffer.from('any') })).header.revision;
  const watchers = async () => {
    const text = await (await fetch(`http://${servers.addresses[0]}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(text)?.[1]);
  };
  const outside = (service: Parameters<typeof outsideProcess>[1]['service'], ttl: number, renew = false) =>
    outsideProcess({ adapter: 'etcd', addresses: servers.addresses, prefix: rig.prefix }, { service, ttl, renew });

  it('is under one lease and read by one watch, however many services and watches there are', async () => {
    await expect.poll(watchers, eventually).toBe(2);
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    for (const name of names) await registry.register(greeter({ name, nodes: [node(name)] }), { namespace: name });
    await Promise.all(names.map((name) => watching(registry, { namespace: name })));
    expect(await rig.leases()).toHaveLength(1);
    expect(await watchers()).toBe(2);
  });

  it('is not written again by renewals', async () => {
    await registry.register(greeter({ nodes: [node('a'), node('b')] }));
    const before = await revision();
    for (let times = 0; times < 10; times++) await registry.register(greeter({ nodes: [node('a'), node('b')] }));
    expect(await revision()).toBe(before);
  });

  it('has endpoints, metadata and schema of a version once, for as long as a node has them', async () => {
    const nodes = Array.from({ length: 10 }, (_, index) => node(`n${index}`));
    for (const one of nodes) await registry.register(greeter({ nodes: [one] }));
    await other.register(greeter({ nodes: [node('other')] }));
    expect(await contents()).toHaveLength(1);
    await registry.deregister(greeter({ nodes }));
    await registry.register(greeter({ nodes: [node('new')], metadata: { build: '2' } }));
    expect(await contents()).toHaveLength(2);
    await other.deregister(greeter({ nodes: [node('other')] }));
    await expect.poll(contents, eventually).toHaveLength(1);
    expect((await other.get('greeter'))[0]?.metadata).toEqual({ build: '2' });
    await registry.deregister(greeter({ nodes: [node('new')] }));
    await expect.poll(() => rig.keys(), eventually).toEqual([]);
  });

  it('is gone when the last registry is closed, or its process killed', async () => {
    await other.close();
    await registry.register(greeter({ name: 'a/b%2F', version: '1%' }));
    await registry.close();
    expect(await rig.keys()).toEqual([]);
    const process = await outside(greeter(), 2_000);
    expect(await rig.keys()).toHaveLength(2);
    await process.kill();
    // Whoever comes next cleans up.
    await until('its lease has ended', async () => (await rig.leases()).length === 0);
    await rig.open();
    await expect.poll(() => rig.keys(), eventually).toEqual([]);
  });

  it('may be more than etcd takes in one request', async () => {
    const metadata = { text: 'x'.repeat(4_000) };
    const nodes = Array.from({ length: 300 }, (_, index) => node(`n${String(index).padStart(3, '0')}`, { metadata }));
    const service = greeter({ nodes, schema: new Uint8Array(randomBytes(1_000_000)) });
    await registry.register(service);
    const later = await rig.open();
    for (const reader of [other, later])
      await until('all of it is there', async () => isDeepStrictEqual(await reader.get('greeter'), [service]));
    await registry.deregister(service);
    await expect.poll(() => rig.keys(), eventually).toEqual([]);
  });

  it('may be what others made of it', async () => {
    await registry.register(greeter());
    const keys = await rig.keys();
    for (const key of ['', 'x', 'a/nodes/b/c', 'a/b/c/d/e', 'a/nodes/b/c/d', 'a/contents/b/c/d', 'a/nodes/b/c/e/f'])
      await rig.etcd.put(`${rig.prefix}${key}`).value('{"address":1}');
    await registry.register(greeter({ name: 'next' }));
    await expect.poll(async () => (await other.list()).length, eventually).toBe(2);
    expect(await other.list({ namespace: 'a' })).toEqual([]);
    // A content that somebody deletes by hand comes back with the next renewal.
    for (const key of keys.filter((one) => one.includes('/contents/')))
      await rig.etcd.delete().key(`${rig.prefix}${key}`);
    await expect
      .poll(
        () => registry.register(greeter()).then(async () => (await contents()).filter((key) => keys.includes(key))),
        eventually,
      )
      .toHaveLength(1);
  });

  it('counts a registration as later than those that were there, also than one whose clock is ahead', async () => {
    await registry.register(greeter({ nodes: [node('a')], metadata: { build: '1' } }));
    const [key] = (await rig.keys()).filter((one) => one.includes('/nodes/')) as [string];
    const record = (await rig.etcd.get(`${rig.prefix}${key}`).json()) as object;
    const ahead = { ...record, address: '127.0.0.1:2100', since: Date.UTC(2100, 0) * 1_000 };
    await rig.etcd.put(`${rig.prefix}${key}`).value(JSON.stringify(ahead));
    await expect.poll(async () => (await other.get('greeter'))[0]?.nodes[0]?.address, eventually).toMatch(/2100$/);
    await other.register(greeter({ nodes: [node('b')], metadata: { build: '2' } }));
    for (const reader of [registry, other])
      await expect.poll(async () => (await reader.get('greeter'))[0]?.metadata, eventually).toEqual({ build: '2' });
  });

  it('is nothing that a request put which came after it was given up on', async () => {
    await registry.register(greeter());
    const [key = ''] = (await rig.keys()).filter((one) => one.includes('/nodes/'));
    const [lease = ''] = await rig.leases();
    const record = await rig.etcd.get(`${rig.prefix}${key}`).buffer();
    const late = Buffer.from(`${rig.prefix}${key.replace('greeter', 'late')}`);
    const watch = await watching(other);
    await rig.etcd.kv.put({ key: late, value: record as Buffer, lease });
    await expect.poll(async () => (await rig.etcd.kv.range({ key: late })).kvs, eventually).toEqual([]);
    await registry.register(greeter({ name: 'next' }));
    await expect.poll(() => watch.seen, eventually).toContain('created next');
    expect((await other.list()).map(({ name }) => name)).toEqual(['greeter', 'next']);
  });

  it('is put again at once when its lease is revoked', async () => {
    await registry.register(greeter({ nodes: [node('a'), node('b')] }));
    await registry.register(greeter({ name: 'second', nodes: [node('c')] }));
    await registry.register(greeter({ name: 'third', nodes: [node('d')] }), { ttl: 60_000 });
    await expect.poll(async () => (await other.list()).length, eventually).toBe(3);
    const watch = await watching(other);
    const leases = await rig.leases();
    expect(leases).toHaveLength(2);
    for (const ID of leases) await rig.etcd.leaseClient.leaseRevoke({ ID });
    for (const name of ['greeter', 'second', 'third'])
      await expect
        .poll(() => watch.seen.filter((event) => event.endsWith(name)), eventually)
        .toEqual([`created ${name}`, `deleted ${name}`, `created ${name}`]);
    expect((await other.get('greeter'))[0]?.nodes).toHaveLength(2);
  });

  it('of a process that was stopped for longer than its time to live comes back when it goes on', async () => {
    const watch = listen(other);
    const process = await outside(greeter(), 3_000, true);
    try {
      await expect.poll(() => watch.seen, eventually).toEqual(['synced', 'created greeter']);
      globalThis.process.kill(process.pid, 'SIGSTOP');
      await expect.poll(() => watch.seen, eventually).toEqual(['synced', 'created greeter', 'deleted greeter']);
      globalThis.process.kill(process.pid, 'SIGCONT');
      await expect.poll(() => watch.seen.slice(3), eventually).toEqual(['created greeter']);
    } finally {
      await process.kill();
    }
  });

  describe('of a node that two processes renew', () => {
    it('belongs to who renewed it last: the other takes nothing off', async () => {
      const watch = listen(await rig.open());
      await registry.register(greeter(), { ttl: 2_000 });
      every(500, () => other.register(greeter(), { ttl: 2_000 }));
      const began = performance.now();
      await until('the first would have taken it off', () => performance.now() - began > 4_000);
      await registry.close();
      await other.register(greeter({ name: 'next' }));
      await expect.poll(() => watch.seen, eventually).toContain('created next');
      expect(watch.seen).toEqual(['synced', 'created greeter', 'created next']);
    });

    it('goes from one to the other and back, seen by nobody', async () => {
      const watch = listen(await rig.open());
      for (let times = 0; times < 5; times++)
        for (const replica of [registry, other]) await replica.register(greeter(), { ttl: 2_000 });
      await other.close();
      await registry.register(greeter(), { ttl: 2_000 });
      await registry.deregister(greeter());
      await registry.register(greeter({ name: 'next' }));
      await expect.poll(() => watch.seen, eventually).toContain('created next');
      expect(watch.seen.filter((event) => event.endsWith('greeter')).slice(-1)).toEqual(['deleted greeter']);
    });

    it('stays when one that keeps registrations is closed, until the other has been asked or its time is over', async () => {
      const leaving = await rig.open({ keepOnClose: true });
      await leaving.register(greeter({ name: 'renewed' }), { ttl: 4_000 });
      await leaving.register(greeter({ name: 'forgotten' }), { ttl: 4_000 });
      await leaving.close();
      await expect.poll(async () => (await other.list()).length, eventually).toBe(2);
      const watch = await watching(other);
      await registry.register(greeter({ name: 'renewed' }), { ttl: 4_000 });
      every(1_000, () => registry.register(greeter({ name: 'renewed' }), { ttl: 4_000 }));
      await expect.poll(() => watch.seen, eventually).toContain('deleted forgotten');
      expect(watch.seen).toEqual(['created forgotten', 'created renewed', 'synced', 'deleted forgotten']);
    });
  });
});
