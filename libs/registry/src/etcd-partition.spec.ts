import { etcdTool, type EtcdServers, haveTool, type Link, link, startEtcd, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { greeter, node } from './contract/services.fixture.js';
import { eventually, faultTimeout, type World, watching, world } from './etcd.fixture.js';
import { watchProxy } from './etcd-watch-proxy.fixture.js';
import type { Registry } from './registry.js';

describe.skipIf(!haveTool(etcdTool))('a registry that etcd is out of reach of', { timeout: faultTimeout }, () => {
  let servers: EtcdServers;
  let rig: World;
  let way: Link;
  /** Behind the way, which the tests cut. */
  let cutOff: Registry;
  /** With etcd in reach all the time. */
  let near: Registry;
  let renewing: NodeJS.Timeout | undefined;

  beforeAll(async () => {
    servers = await startEtcd();
  });
  afterAll(() => servers[Symbol.asyncDispose]());
  beforeEach(async () => {
    rig = world(servers.addresses);
    way = await link(servers.addresses[0] as string);
    cutOff = await rig.open({ addresses: [way.address] });
    near = await rig.open();
  });
  afterEach(async () => {
    clearInterval(renewing);
    await rig.end();
    await way.end();
  });

  const away = () => until('etcd is missed', () => rig.warnings.some((warning) => warning.includes('does not answer')));
  const renew = (registry: Registry, service = greeter(), ttl = 30_000) => {
    renewing = setInterval(() => void registry.register(service, { ttl }).catch(() => undefined), ttl / 4);
  };
  /** Registered before, and what becomes of it meanwhile. */
  const named = (name: string, build = '1') => greeter({ name, metadata: { build }, nodes: [node(name)] });
  const change = async () => {
    await near.deregister(named('gone'));
    await near.deregister(named('again'));
    await near.register(named('changed', '2'));
    await near.register(named('again'));
    await near.register(named('new'));
    await near.register(named('passing'));
    await near.deregister(named('passing'));
  };

  const missed = [
    'deleted gone',
    'deleted again',
    'updated changed',
    'created again',
    'created new',
    'created passing',
    'deleted passing',
  ];

  describe('for a while', () => {
    beforeEach(async () => {
      for (const name of ['again', 'changed', 'gone', 'same']) await near.register(named(name));
      await expect.poll(async () => (await cutOff.list()).length, eventually).toBe(4);
    });

    it('is told every change that it missed, in order', async () => {
      const watch = await watching(cutOff);
      way.cut();
      await change();
      way.mend();
      await expect.poll(() => watch.seen.slice(5), eventually).toEqual(missed);
    });

    it('is told the difference where etcd has compacted what it missed', async () => {
      const watch = await watching(cutOff);
      way.cut();
      await change();
      const { header } = await rig.etcd.kv.range({ key: Buffer.from('any') });
      await rig.etcd.kv.compact({ revision: header.revision, physical: true });
      way.mend();
      await expect
        .poll(() => watch.seen.slice(5), eventually)
        .toEqual(['deleted gone', 'updated changed', 'created new']);
      expect(await cutOff.list()).toEqual(await near.list());
      await near.register(named('later'));
      await expect.poll(() => watch.seen.slice(8), eventually).toEqual(['created later']);
    });

    it('finds out when of its watch alone nothing is heard any more, and misses nothing', async () => {
      const proxy = await watchProxy(servers.addresses[0] as string);
      const deaf = await rig.open({ addresses: [proxy.address] });
      const watch = await watching(deaf);
      await until('it watches', proxy.isWatched);
      proxy.silence();
      await change();
      await deaf.register(named('own'));
      await expect.poll(() => watch.seen.slice(5), eventually).toEqual([...missed, 'created own']);
      expect(rig.warnings).toContainEqual(expect.stringContaining('the watch has gone silent'));
      await deaf.close();
      await proxy.end();
    });

    it('finds out when nothing arrives any more, and goes on', async () => {
      const watch = await watching(cutOff);
      way.silence();
      await away();
      await change();
      expect((await cutOff.get('gone')).length).toBe(1);
      way.mend();
      await expect.poll(() => watch.seen, eventually).toContain('deleted passing');
    });
  });

  it('registers what is still wanted again when its lease has ended, and nothing else', async () => {
    const watch = await watching(near);
    await cutOff.register(greeter(), { ttl: 3_000 });
    await cutOff.register(named('left'), { ttl: 3_000 });
    renew(cutOff, greeter(), 3_000);
    way.cut();
    await expect
      .poll(() => watch.seen, eventually)
      .toEqual(expect.arrayContaining(['deleted greeter', 'deleted left']));
    await expect(cutOff.register(greeter(), { ttl: 3_000 })).rejects.toMatchObject({ code: 'unavailable' });
    way.mend();
    await expect.poll(() => watch.seen.slice(5), eventually).toEqual(['created greeter']);
    expect(rig.warnings).toContainEqual(expect.stringContaining('etcd has dropped the lease of'));
    await cutOff.register(named('next'));
    await expect.poll(() => watch.seen.slice(6), eventually).toEqual(['created next']);
  });

  it('does not bring back what somebody has deregistered meanwhile', async () => {
    await cutOff.register(greeter());
    await cutOff.register(named('kept'));
    renew(cutOff, named('kept'), 4_000);
    const watch = await watching(near);
    way.cut();
    await away();
    await near.deregister(greeter());
    way.mend();
    await expect.poll(() => cutOff.list(), eventually).toEqual([named('kept')]);
    await cutOff.register(named('next'));
    await expect.poll(() => watch.seen, eventually).toContain('created next');
    expect(watch.seen.slice(3)).toEqual(['deleted greeter', 'created next']);
  });

  it('takes off, when it is back, what it could not take off meanwhile', async () => {
    await cutOff.register(greeter());
    await cutOff.register(named('left'), { ttl: 3_000 });
    await cutOff.register(named('kept'));
    // Keeps the lease of the one that is not renewed.
    await cutOff.register(named('other'), { ttl: 3_000 });
    renew(cutOff, named('other'), 3_000);
    way.cut();
    await away();
    await expect(cutOff.deregister(greeter())).rejects.toMatchObject({ code: 'unavailable' });
    way.mend();
    await expect.poll(async () => (await near.list()).map(({ name }) => name), eventually).toEqual(['kept', 'other']);
  });

  it('takes back what it said it could not register, should it have been registered after all', async () => {
    const watch = await watching(near);
    await cutOff.register(greeter());
    way.deafen();
    await expect(cutOff.register(named('new'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect.poll(() => watch.seen, eventually).toContain('created new');
    way.mend();
    await expect.poll(() => watch.seen, eventually).toContain('deleted new');
    expect((await near.list()).map(({ name }) => name)).toEqual(['greeter']);
  });

  it('registers all again when it comes back to an etcd that knows nothing', async () => {
    await using empty = await startEtcd();
    for (const name of ['a', 'b', 'c']) await cutOff.register(named(name));
    await near.register(named('stranger'));
    await expect.poll(async () => (await cutOff.list()).length, eventually).toBe(4);
    const watch = await watching(cutOff);
    way.mend(empty.addresses[0]);
    const anew = world(empty.addresses);
    await expect
      .poll(() => watch.seen.slice(5), eventually)
      .toEqual(expect.arrayContaining(['deleted stranger', 'created a', 'created b', 'created c']));
    expect(await anew.etcd.getAll().prefix(rig.prefix).count()).toBe(6);
    await anew.end();
  });

  it('is told the difference when it comes back to an etcd that knows nothing, and has come further since', async () => {
    await using empty = await startEtcd();
    const anew = world(empty.addresses);
    await near.register(named('stranger'));
    await expect.poll(async () => (await cutOff.list()).length, eventually).toBe(1);
    const watch = await watching(cutOff);
    await (await anew.open({ prefix: rig.prefix })).register(named('other'));
    const revisionOf = async ({ etcd }: World) =>
      Number((await etcd.kv.range({ key: Buffer.from('any') })).header.revision);
    const known = await revisionOf(rig);
    while ((await revisionOf(anew)) <= known) await anew.etcd.put('any').value('');
    way.mend(empty.addresses[0]);
    await expect.poll(() => watch.seen.slice(2), eventually).toEqual(['deleted stranger', 'created other']);
    await anew.end();
  });
});
