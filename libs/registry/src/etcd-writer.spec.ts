import { EtcdClient } from '@micro/etcd';
import { etcdTool, type EtcdServers, haveTool, startEtcd } from '@micro/testing';
import type { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Catalog } from './catalog.js';
import { encodeContent } from './content.js';
import { greeter } from './contract/services.fixture.js';
import { type World, world } from './etcd.fixture.js';
import { EtcdKeys, encodeNode, packContent } from './etcd-records.js';
import { EtcdView } from './etcd-view.js';
import { EtcdWriter } from './etcd-writer.js';

const nothing = () => undefined;

/** Makes the same requests again, as a member does that takes them from its socket late. */
class RepeatingClient extends EtcdClient {
  #made: ((etcd: Etcd3) => Promise<unknown>)[] = [];

  override async call<Result>(work: (etcd: Etcd3) => Promise<Result>): Promise<Result> {
    this.#made.push(work);
    return super.call(work);
  }

  forget(): void {
    this.#made = [];
  }

  async repeat(): Promise<void> {
    for (const work of this.#made) await work(this.member.etcd);
  }
}

describe.skipIf(!haveTool(etcdTool))('what is written to etcd by who does not know its latest state', () => {
  let servers: EtcdServers;
  let rig: World;
  let client: RepeatingClient;
  let keys: EtcdKeys;
  let lease: string;

  beforeAll(async () => {
    servers = await startEtcd();
  });
  afterAll(() => servers[Symbol.asyncDispose]());
  beforeEach(async () => {
    rig = world(servers.addresses);
    client = new RepeatingClient(servers, { id: 'registry', prefix: rig.prefix });
    keys = new EtcdKeys(rig.prefix);
    lease = (await rig.etcd.leaseClient.leaseGrant({ TTL: 60 })).ID;
  });
  afterEach(async () => {
    client.close();
    await rig.end();
  });

  const version = { namespace: 'micro', name: 'greeter', version: 'latest' };
  const { bytes, hash } = encodeContent(greeter());
  const packed = packContent(bytes);
  const record = { address: '127.0.0.1:1', metadata: {}, content: hash, since: 1 };
  const batch = (id: string, under = lease) => {
    const entries = [{ key: keys.node({ ...version, id }), text: encodeNode(record) }];
    return { version, hash, packed, entries, lease: under };
  };
  /** Writes as if nothing had happened since. */
  const writerOfNow = async () => {
    const told = { put: nothing, gone: nothing, unused: nothing, following: nothing, away: nothing };
    const view = new EtcdView({ client, keys, catalog: new Catalog(), ...told });
    await view.start();
    view.close();
    return new EtcdWriter(client, keys, view);
  };
  const stored = async (key: string) => (await rig.etcd.get(key).string()) !== null;

  it('brings back a content that has been deleted since', async () => {
    await (await writerOfNow()).put(batch('a'));
    const writer = await writerOfNow();
    await rig.etcd.delete().key(keys.content(version, hash));
    await writer.put(batch('b'));
    expect(await stored(keys.content(version, hash))).toBe(true);
    expect(await stored(keys.node({ ...version, id: 'b' }))).toBe(true);
  });

  it('leaves a content that a node has come to have since, and deletes it when none has', async () => {
    const writer = await writerOfNow();
    await writer.put(batch('a'));
    await writer.delete([keys.node({ ...version, id: 'a' })]);
    const [before, content] = [await writerOfNow(), keys.content(version, hash)];
    await writer.put(batch('b'));
    await before.deleteUnused(new Map([[content, version]]));
    await before.deleteEmpty([version]);
    expect(await stored(content)).toBe(true);
    await writer.delete([keys.node({ ...version, id: 'b' })]);
    await (await writerOfNow()).deleteUnused(new Map([[content, version]]));
    expect(await stored(content)).toBe(false);
  });

  it('deletes only what is still under the lease', async () => {
    const writer = await writerOfNow();
    const other = (await rig.etcd.leaseClient.leaseGrant({ TTL: 60 })).ID;
    for (const id of ['a', 'b']) await writer.put(batch(id));
    await writer.put(batch('b', other));
    const [a, b] = ['a', 'b'].map((id) => keys.node({ ...version, id })) as [string, string];
    await (await writerOfNow()).deleteUnder(lease, [a, b]);
    expect([await stored(a), await stored(b)]).toEqual([false, true]);
  });

  describe('and is carried out once more, late,', () => {
    const other = async () => (await rig.etcd.leaseClient.leaseGrant({ TTL: 60 })).ID;
    const key = () => keys.node({ ...version, id: 'a' });
    const leaseOf = async () => (await rig.etcd.kv.range({ key: Buffer.from(key()) })).kvs[0]?.lease;

    it.each(['is not there', 'is there'])(
      'puts nothing over what came after it, where the content %s',
      async (where) => {
        if (where === 'is there') await (await writerOfNow()).put(batch('b'));
        const writer = await writerOfNow();
        client.forget();
        await writer.put(batch('a'));
        const last = await other();
        await rig.etcd.put(key()).value(encodeNode(record)).lease(last);
        await client.repeat();
        expect(await leaseOf()).toBe(last);
      },
    );

    it('deletes nothing that was put after it', async () => {
      await (await writerOfNow()).put(batch('a'));
      const writer = await writerOfNow();
      client.forget();
      await writer.deleteUnder(lease, [key()]);
      await writer.delete([key()]);
      await rig.etcd.put(key()).value(encodeNode(record)).lease(lease);
      await client.repeat();
      expect(await leaseOf()).toBe(lease);
    });

    it('puts over what is not known to it yet', async () => {
      const writer = await writerOfNow();
      await writer.put(batch('a', await other()));
      await writer.put(batch('a'));
      expect(await leaseOf()).toBe(lease);
    });
  });
});
