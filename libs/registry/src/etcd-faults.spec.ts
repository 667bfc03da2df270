import { etcdTool, type EtcdServers, haveTool, type ServerProcess, startEtcd, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { greeter, node } from './contract/services.fixture.js';
import { eventually, faultTimeout, type World, watching, world } from './etcd.fixture.js';
import type { Registry } from './registry.js';

describe.skipIf(!haveTool(etcdTool))('a registry whose etcd', { timeout: faultTimeout }, () => {
  let servers: EtcdServers;
  let server: ServerProcess;
  let rig: World;
  let registry: Registry;
  let other: Registry;
  let renewing: NodeJS.Timeout | undefined;

  beforeAll(async () => {
    servers = await startEtcd();
    [server] = servers.members as [ServerProcess];
  });
  afterAll(() => servers[Symbol.asyncDispose]());
  beforeEach(async () => {
    rig = world(servers.addresses);
    registry = await rig.open();
    other = await rig.open();
  });
  afterEach(async () => {
    clearInterval(renewing);
    await rig.end();
  });

  const names = async (from: Registry) => (await from.list()).map(({ name }) => name);
  /** Registers, and renews as its caller would for as long as the test lasts. */
  const keep = async (name: string, ttl: number) => {
    const service = greeter({ name, nodes: [node(`${name}-1`)] });
    await registry.register(service, { ttl });
    await expect.poll(() => names(other), eventually).toEqual([name]);
    renewing = setInterval(() => void registry.register(service, { ttl }).catch(() => undefined), ttl / 3);
  };
  const away = () => until('etcd is missed', () => rig.warnings.some((warning) => warning.includes('does not answer')));

  it.each(['stop', 'kill'] as const)(
    'is gone (%s) longer than the time to live is found again, and nothing is lost',
    async (end) => {
      await keep('kept', 3_000);
      const watch = await watching(other);
      await server[end]();
      await away();
      const gone = performance.now();
      await until('its leases would have ended', () => performance.now() - gone > 4_000);
      expect(await names(other)).toEqual(['kept']);
      await server.start();
      await expect
        .poll(() => registry.register(greeter({ name: 'new' })).then(() => names(other)), eventually)
        .toContain('new');
      expect(watch.seen).toEqual(['created kept', 'synced', 'created new']);
      await expect.poll(() => rig.warnings, eventually).toContain('etcd is back');
    },
  );

  it('has nothing to tell is not taken for one that is away', async () => {
    const began = performance.now();
    await until('it was listened to for a while', () => performance.now() - began > 7_000);
    expect(rig.warnings.filter((warning) => warning.includes('silent'))).toEqual([]);
  });

  it('hangs is noticed; writes fail soon, reads are served, and all goes on when it does', async () => {
    await keep('kept', 20_000);
    server.pause();
    try {
      const refusal = {
        code: 'unavailable',
        detail: expect.stringMatching(/etcd at 127\.0\.0\.1:\d+ does not answer.*MICRO_ETCD_ADDRESS/),
      };
      const began = performance.now();
      await Promise.all([
        expect(registry.register(greeter({ name: 'new' }))).rejects.toMatchObject(refusal),
        expect(rig.open()).rejects.toMatchObject(refusal),
      ]);
      // Whoever reads much may wait longer for an answer, but only from who answers.
      expect(performance.now() - began).toBeLessThan(9_000);
      await away();
      await expect(registry.deregister(greeter({ name: 'kept' }))).rejects.toMatchObject({ code: 'unavailable' });
      expect(await names(registry)).toEqual(['kept']);
      expect((await other.get('kept')).length).toBe(1);
      expect((await watching(other)).seen).toEqual(['created kept', 'synced']);
    } finally {
      server.resume();
    }
    const watch = await watching(other);
    await expect
      .poll(() => registry.register(greeter({ name: 'later' })).then(() => watch.seen), eventually)
      .toContain('created later');
    // What failed is not registered, whether or not it had reached etcd.
    await expect.poll(() => names(other), eventually).toEqual(['kept', 'later']);
    await expect.poll(async () => (await rig.keys()).filter((key) => key.includes('/new/')), eventually).toEqual([]);
  });
});
