import { etcdTool, type EtcdServers, haveTool, type ServerProcess, startEtcd, until } from '@micro/testing';
import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { greeter, node } from './contract/services.fixture.js';
import { eventually, faultTimeout, type World, watching, world } from './etcd.fixture.js';
import type { Registry } from './registry.js';

describe.skipIf(!haveTool(etcdTool))('a registry on three members', { timeout: faultTimeout }, () => {
  let servers: EtcdServers;
  let rig: World;
  let registries: readonly Registry[];

  beforeAll(async () => {
    servers = await startEtcd({ members: 3 });
  });
  afterAll(() => servers[Symbol.asyncDispose]());
  beforeEach(async () => {
    rig = world(servers.addresses);
    registries = await Promise.all([0, 1, 2].map(() => rig.open()));
  });
  afterEach(() => rig.end());

  const names = async (from: Registry) => (await from.list()).map(({ name }) => name);
  /** Where the leader is in the lists of members and addresses. */
  const leading = () =>
    until('there is a leader', async () => {
      for (const [index, address] of servers.addresses.entries()) {
        const etcd = new Etcd3({ hosts: `http://${address}` });
        const { leader, header } = await etcd.maintenance.status().finally(() => etcd.close());
        if (leader === header.member_id) return { index };
      }
      return false;
    });
  /** Registers one service after the other from every registry, until `stop`; the names of those that were acknowledged. */
  const load = () => {
    let stopped = false;
    const acknowledged: string[] = [];
    const failed: unknown[] = [];
    const run = async (registry: Registry, by: number) => {
      for (let count = 0; !stopped; count++) {
        const name = `s${by}-${count}`;
        try {
          await registry.register(greeter({ name, nodes: [node(name)] }), { ttl: 60_000 });
          acknowledged.push(name);
        } catch (error) {
          failed.push(error);
        }
      }
    };
    const running = registries.map(run);
    const stop = async () => {
      stopped = true;
      await Promise.all(running);
    };
    return { acknowledged, failed, stop };
  };
  const more = (acknowledged: readonly string[], count: number) => {
    const before = acknowledged.length;
    return until('registering goes on', () => acknowledged.length > before + count, 60_000);
  };

  it.each(['kill', 'pause'] as const)(
    'loses nothing that was acknowledged when the leader is lost (%s) under load',
    async (fault) => {
      const watch = await watching(registries[0] as Registry);
      const { acknowledged, failed, stop } = load();
      await more(acknowledged, 20);
      const { index } = await leading();
      const member = servers.members[index] as ServerProcess;
      await member[fault]();
      try {
        await more(acknowledged, 50);
      } finally {
        await (fault === 'kill' ? member.start() : member.resume());
      }
      await more(acknowledged, 20);
      await stop();
      for (const error of failed) expect(error).toMatchObject({ code: 'unavailable' });
      const all = [...acknowledged].sort();
      for (const registry of [...registries, await rig.open()])
        await until('all is there', async () => {
          const there = new Set(await names(registry));
          return all.every((name) => there.has(name));
        });
      await until('all is told', () => all.every((name) => watch.seen.includes(`created ${name}`)));
      // Once each, however often the watch had to begin again. What was refused may have come late, and is taken off again.
      const isAcknowledged = (event: string) => all.includes(event.replace(/^\w+ /, ''));
      expect(watch.seen.filter(isAcknowledged).sort()).toEqual(all.map((name) => `created ${name}`));
    },
  );

  it('that are not most of them any more is told so, also by one that is alive; reads are served', async () => {
    const [registry, other] = registries as [Registry, Registry];
    const said: string[] = [];
    const addresses = servers.addresses.slice(0, 1);
    const alone = await rig.open({ addresses, warn: (message) => said.push(message) });
    await registry.register(greeter(), { ttl: faultTimeout });
    await expect.poll(() => names(other), eventually).toEqual(['greeter']);
    const paused = servers.members.slice(1);
    for (const member of paused) member.pause();
    try {
      await expect(registry.register(greeter({ name: 'new' }))).rejects.toMatchObject({ code: 'unavailable' });
      await until('it is noticed', () => said.some((warning) => warning.includes('does not answer')), 30_000);
      for (const one of [...registries, alone]) expect(await names(one)).toEqual(['greeter']);
    } finally {
      for (const member of paused) member.resume();
    }
    const again = () => registry.register(greeter({ name: 'again' })).then(() => names(other));
    await expect.poll(again, eventually).toEqual(['again', 'greeter']);
    await expect.poll(() => names(alone), eventually).toEqual(['again', 'greeter']);
  });
});
