import { EtcdClient } from '@micro/etcd';
import { etcdTool, type EtcdServers, haveTool, startEtcd, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Catalog } from './catalog.js';
import { encodeContent } from './content.js';
import { greeter } from './contract/services.fixture.js';
import { eventually, faultTimeout, type World, world } from './etcd.fixture.js';
import { EtcdKeys, encodeNode } from './etcd-records.js';
import { EtcdRegistrations } from './etcd-registrations.js';
import { EtcdView } from './etcd-view.js';
import { EtcdWriter } from './etcd-writer.js';

const nothing = () => undefined;

/** A way to etcd on which something happens before an answer arrives. */
class DelayedWriter extends EtcdWriter {
  /** Called once. */
  answering: (() => Promise<void>) | undefined;

  override async put(...args: Parameters<EtcdWriter['put']>): Promise<number> {
    return this.#answered(await super.put(...args));
  }

  override async delete(...args: Parameters<EtcdWriter['delete']>): Promise<number> {
    return this.#answered(await super.delete(...args));
  }

  override async deleteUnder(...args: Parameters<EtcdWriter['deleteUnder']>): Promise<void> {
    return this.#answered(await super.deleteUnder(...args));
  }

  async #answered<Answer>(answer: Answer): Promise<Answer> {
    const { answering } = this;
    this.answering = undefined;
    await answering?.();
    return answer;
  }
}

describe.skipIf(!haveTool(etcdTool))('a request to etcd that is carried out late', { timeout: faultTimeout }, () => {
  let servers: EtcdServers;
  let rig: World;
  let client: EtcdClient;
  let keys: EtcdKeys;
  let view: EtcdView;
  let writer: DelayedWriter;
  let registrations: EtcdRegistrations;

  beforeAll(async () => {
    servers = await startEtcd();
  });
  afterAll(() => servers[Symbol.asyncDispose]());
  beforeEach(async () => {
    rig = world(servers.addresses);
    client = new EtcdClient(servers, { id: 'registry', prefix: rig.prefix });
    keys = new EtcdKeys(rig.prefix);
    view = new EtcdView({
      client,
      keys,
      catalog: new Catalog(),
      put: (key, seen) => registrations.seen(key, seen),
      gone: (key, seen) => registrations.gone(key, seen),
      unused: nothing,
      following: () => registrations.connected(),
      away: nothing,
    });
    writer = new DelayedWriter(client, keys, view);
    registrations = new EtcdRegistrations({ client, keys, view, writer, warn: nothing });
    await view.start();
  });
  afterEach(async () => {
    view.close();
    await registrations.close({ keep: false });
    client.close();
    await rig.end();
  });

  const version = { namespace: 'micro', name: 'greeter', version: 'latest' };
  const { bytes, hash } = encodeContent(greeter());
  const keyOf = (id: string) => keys.node({ ...version, id });
  const text = encodeNode({ address: '127.0.0.1:1', metadata: {}, content: hash, since: 1 });
  const register = (id: string, ttl: number) =>
    registrations.register({ version, hash, bytes, ttl, entries: [{ key: keyOf(id), text }] });
  const isThere = async (id: string) => (await rig.etcd.get(keyOf(id)).string()) !== null;
  const leaseOf = (id: string) => view.node(keyOf(id))?.lease ?? '';
  /** As if it had been sent before. */
  const putLate = async (id: string, lease: string) => {
    const { header } = await rig.etcd.kv.put({ key: Buffer.from(keyOf(id)), value: Buffer.from(text), lease });
    await until('it is seen', () => view.revision >= Number(header.revision));
  };

  it('puts nothing that stays while it is being deregistered', async () => {
    await register('a', 30_000);
    const lease = leaseOf('a');
    writer.answering = () => putLate('a', lease);
    await registrations.deregister([keyOf('a')]);
    await expect.poll(() => isThere('a'), eventually).toBe(false);
  });

  it('puts nothing that stays while it is taken off because nobody has renewed it', async () => {
    await register('kept', 30_000);
    await register('a', 1_000);
    const lease = leaseOf('kept');
    let late = false;
    writer.answering = async () => {
      await putLate('a', lease);
      late = true;
    };
    await until('it was taken off, and came again', () => late);
    await expect.poll(() => isThere('a'), eventually).toBe(false);
  });

  it('puts nothing that stays when its time is over under another lease of the process', async () => {
    await register('a', 1_000);
    const lease = leaseOf('a');
    await register('kept', 1_000);
    await register('a', 3_000);
    expect(leaseOf('a')).not.toBe(lease);
    await putLate('a', lease);
    const renewal = setInterval(() => void register('kept', 1_000).catch(nothing), 300);
    try {
      await expect.poll(() => isThere('a'), eventually).toBe(false);
      expect(await isThere('kept')).toBe(true);
    } finally {
      clearInterval(renewal);
    }
  });

  it('takes nothing off whose time is not over, when it was a renewal for another time that was refused', async () => {
    await register('a', 30_000);
    const lease = leaseOf('a');
    writer.answering = async () => {
      await until('it is seen', () => leaseOf('a') !== lease);
      throw new Error('the answer was lost');
    };
    await expect(register('a', 60_000)).rejects.toThrow('lost');
    await register('next', 30_000);
    expect(await isThere('a')).toBe(true);
    await register('a', 60_000);
    expect(await isThere('a')).toBe(true);
  });
});
