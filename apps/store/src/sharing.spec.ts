import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import { storeProto } from '@micro/proto';
import { openRegistry, type Registry } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { openStore, type SnapshotRecord, type Store } from '@micro/store';
import { silentLogger } from '@micro/telemetry';
import { temporaryFolder, until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeApp } from './store.app.js';

describe('the records of several users of the store app', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let app: RunningApp;
  let registry: Registry;
  let client: Client;
  let store: Store;

  beforeEach(async () => {
    folder = await temporaryFolder();
    registry = await openRegistry({ adapter: 'memory' });
    const environment = readEnvironment({
      MICRO_PROFILE: 'test',
      MICRO_STORE: 'file',
      MICRO_ADDRESS: '127.0.0.1:0',
      MICRO_HOME: folder.path,
      MICRO_STOP_DELAY: '0',
      // Whoever holds the end up is found out.
      MICRO_STOP_GRACE: '120000',
    });
    app = await startApp(storeApp, { environment, registry, logger: silentLogger });
    client = new Client({ discovery: fixedTargets(app.address) });
    store = await openStore({ adapter: 'remote', client });
  });
  afterEach(async () => {
    await store.close();
    await client.close();
    await app.stop();
    await registry.close();
    await folder[Symbol.asyncDispose]();
  });

  const send = (method: string, body: string, namespace = 'micro') =>
    fetch(`http://${app.address}/store.Store/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'micro-namespace': namespace },
      body,
    });
  const post = async (method: string, body: object, namespace?: string) => {
    const response = await send(method, JSON.stringify(body), namespace);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const write = (key: string, text = key, database = 'micro') =>
    store.write({ key, value: Buffer.from(text) }, { database });

  describe('of namespaces', () => {
    const calls: readonly (readonly [string, object])[] = [
      ['Read', { key: 'a' }],
      ['Write', { record: { key: 'b', value: '' } }],
      ['Delete', { key: 'a' }],
      ['Transact', { changes: [{ delete: 'a' }] }],
      ['List', {}],
      ['Tables', {}],
    ];

    it.each(calls)('%s reaches no other’s', async (method, request) => {
      await write('a', 'secret', 'other');
      const refused = await post(method, { ...request, database: 'other' }, 'tenant');
      expect(refused).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
      expect(JSON.stringify(refused.body)).not.toContain(base64('secret'));
      // Its own is meant where none is named, and there is nothing in it.
      expect(JSON.stringify((await post(method, request, 'tenant')).body)).not.toContain(base64('secret'));
      expect((await store.read('a', { database: 'other' })).value).toEqual(new Uint8Array(Buffer.from('secret')));
    });

    it('are listed to the platform alone; others see their own', async () => {
      await write('a', 'secret', 'other');
      await write('a', 'mine', 'tenant');
      expect((await post('Databases', {}, 'tenant')).body).toEqual({ databases: ['tenant'] });
      expect((await post('Databases', {})).body).toEqual({ databases: ['other', 'tenant'] });
    });

    it.each(['watch', 'snapshot', 'restore'] as const)('%s reaches no other’s', async (what) => {
      await write('a', 'secret', 'other');
      const tenant = new Client({ discovery: fixedTargets(app.address), namespace: 'tenant' });
      const calls = tenant.of(storeProto.Store, { service: 'store' });
      const attempt = async () => {
        if (what === 'restore') return calls.restore([{ database: 'other', complete: true }]);
        const stream = what === 'watch' ? calls.watch({ database: 'other' }) : calls.snapshot({ database: 'other' });
        for await (const event of stream) return event;
        return undefined;
      };
      await expect(attempt()).rejects.toMatchObject({ code: 'permission_denied' });
      await tenant.close();
      expect((await store.list({ database: 'other' })).records).toHaveLength(1);
    });
  });

  describe('as a whole', () => {
    it('a snapshot is of one moment while accounts change, and restoring it brings that moment back', async () => {
      const accounts = Array.from({ length: 20 }, (_, n) => `account-${n}`);
      for (const key of accounts) await write(key, '100');
      let running = true;
      let transfers = 0;
      const transferring = (async () => {
        for (; running; transfers++) {
          const [from, to] = [accounts[transfers % 20] as string, accounts[(transfers * 7 + 1) % 20] as string];
          if (from === to) continue;
          const [one, other] = await Promise.all([store.read(from), store.read(to)]);
          const balance = ({ value }: { value: Uint8Array }, by: number) =>
            Buffer.from(`${Number(Buffer.from(value)) + by}`);
          await store.transact([
            { type: 'write', record: { key: from, value: balance(one, -1) }, ifVersion: one.version },
            { type: 'write', record: { key: to, value: balance(other, 1) }, ifVersion: other.version },
          ]);
        }
      })();
      const sum = (records: readonly { readonly value: Uint8Array }[]) =>
        records.reduce((total, { value }) => total + Number(Buffer.from(value)), 0);
      const taken: SnapshotRecord[] = [];
      for (let round = 0; round < 5; round++) {
        const before = transfers;
        taken.length = 0;
        for await (const one of store.snapshot()) taken.push(one);
        expect(taken.length).toBe(20);
        expect(sum(taken.map(({ record }) => record))).toBe(2_000);
        await until('transfers go on', () => transfers > before + 5);
      }
      running = false;
      await transferring;
      async function* records() {
        yield* taken;
      }
      expect(await store.restore(records())).toBe(20);
      const { records: now } = await store.list();
      expect(now.map(({ key, value }) => [key, Buffer.from(value).toString()])).toEqual(
        taken.map(({ record }) => [record.key, Buffer.from(record.value).toString()]),
      );
    });

    it.each(['fails', 'is called off'])(
      'a restore that %s changes nothing, and readers see the old until the end',
      async (how) => {
        for (let n = 0; n < 50; n++) await write(`old-${n}`);
        const before = (await store.list()).records;
        let sent = 0;
        async function* records(): AsyncGenerator<SnapshotRecord> {
          for (; sent < 500; sent++) {
            const record = { key: `new-${sent}`, value: new Uint8Array(5_000), metadata: {}, expiresAt: undefined };
            yield { table: 'micro', record };
          }
          expect((await store.list()).records).toEqual(before);
          if (how === 'fails') throw new Error('the file ends here');
          // As a client that dies: its connection is gone before it has said that this was all.
          await client.close();
        }
        await expect(store.restore(records())).rejects.toThrow();
        expect(sent).toBe(500);
        const again = new Client({ discovery: fixedTargets(app.address) });
        const other = await openStore({ adapter: 'remote', client: again });
        expect((await other.list()).records).toEqual(before);
        await other.close();
        await again.close();
      },
    );
  });

  it('a watch whose reader is slow holds nobody up', async () => {
    const slow = store.watch()[Symbol.asyncIterator]();
    expect((await slow.next()).value).toEqual({ type: 'synced' });
    const quick: string[] = [];
    const reading = (async () => {
      for await (const event of store.watch()) if (event.type === 'written') quick.push(event.record.key);
    })();
    await write('first');
    await until('the quick one hears', () => quick.includes('first'));
    const value = Buffer.alloc(100_000);
    for (let n = 0; n < 200; n++) await store.write({ key: `k-${n}`, value });
    await until('the quick one has all', () => quick.includes('k-199'));
    await store.close();
    await reading;
    await slow.return?.();
  });

  it('a watch is told at once that the app ends', { timeout: 60_000 }, async () => {
    const watch = client.of(storeProto.Store).watch({}, { timeout: Infinity })[Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ synced: {} });
    const next = watch.next();
    const ended = expect(next).rejects.toMatchObject({ code: 'unavailable', id: 'store' });
    const began = performance.now();
    await app.stop();
    // A stream that went on would have a quarter of the grace.
    expect(performance.now() - began).toBeLessThan(20_000);
    await ended;
  });
});
