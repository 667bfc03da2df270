import { haveTool, postgresTool, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CockroachStore } from './cockroach.js';
import type { CockroachConnection } from './cockroach-connection.js';
import { CockroachServer, statement } from './cockroach-server.rig.js';
import { CockroachSweep } from './cockroach-sweep.js';
import type { SnapshotRecord } from './store.js';

const value = new Uint8Array(1);
const minute = 60_000;
const hour = 60 * minute;

describe.skipIf(!haveTool(postgresTool))('what nobody can see any more', () => {
  let server: CockroachServer;
  let clock: Awaited<ReturnType<CockroachServer['clocked']>>;
  let store: CockroachStore;
  let connection: CockroachConnection;

  beforeAll(async () => void (server = await CockroachServer.start()));
  beforeEach(async () => {
    clock = await server.clocked();
    const { url } = clock;
    store = new CockroachStore({ url, timeout: 15_000 });
    connection = server.connection({ url });
  });
  afterEach(async () => {
    await store.close();
    await server.disconnect();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const count = async (table: string) => {
    const [row] = await connection.rows<{ count: bigint }>(statement(`SELECT count(*) FROM ${table}`));
    return Number(row?.count);
  };
  const sweep = () => new CockroachSweep(connection).sweep();
  const record = (key: string): SnapshotRecord => ({
    table: 'micro',
    record: { key, value, metadata: {}, expiresAt: undefined },
  });

  it('is removed when it is not remembered any more, and nothing else', async () => {
    await store.transact(
      Array.from({ length: 450 }, (_, n) => ({ type: 'write', record: { key: `${n}`, value } }) as const),
    );
    await store.transact(Array.from({ length: 430 }, (_, n) => ({ type: 'delete', key: `${n}` }) as const));
    await store.write({ key: 'short', value, ttl: 1_000 });
    await store.write({ key: 'long', value, ttl: 24 * hour });
    await clock.set(5 * minute);
    expect((await store.list({ prefix: 'short' })).records).toEqual([]);
    expect(await sweep()).toBe(true);
    expect(await count('micro_records')).toBe(452);
    await clock.set(11 * minute);
    await sweep();
    expect(await count('micro_records')).toBe(21);
    expect((await store.list({ keysOnly: true })).records).toHaveLength(21);
  });

  it('leaves versions that only grow, whatever the clock does', { timeout: 60_000 }, async () => {
    const versions: bigint[] = [];
    const write = async (ttl?: number) => versions.push((await store.write({ key: 'a', value, ttl })).version);
    const remove = async () => {
      await sweep();
      expect(await count('micro_records')).toBe(0);
    };
    await write();
    await clock.set(24 * hour);
    await write();
    await clock.set(0);
    await write();
    await store.delete('a');
    await write();
    await clock.set(48 * hour);
    await write();
    await store.delete('a');
    await clock.set(49 * hour);
    await remove();
    await clock.set(0);
    await write();
    await clock.set(72 * hour);
    await write(1_000);
    await clock.set(73 * hour);
    await remove();
    await clock.set(0);
    await write();
    await store.restore(store.snapshot());
    const restored = await store.read('a');
    versions.push(restored.version);
    await clock.set(-24 * hour);
    await store.restore(store.snapshot());
    versions.push((await store.read('a')).version);
    await expect(store.write({ key: 'a', value }, { ifVersion: restored.version })).rejects.toMatchObject({
      code: 'aborted',
    });
    await write();
    expect(versions).toEqual([...new Set(versions)].sort((one, other) => (one < other ? -1 : 1)));
  });

  it('is what a restore has replaced, once nobody can be about to write to it', { timeout: 60_000 }, async () => {
    await store.write({ key: 'a', value });
    await store.close();
    // Which writes nothing else: what it leaves behind it removes by itself.
    store = new CockroachStore({ url: clock.url, timeout: 15_000 });
    await store.restore(each(record('b'), record('c')));
    await sweep();
    expect(await count('micro_records')).toBe(3);
    await clock.set(2 * minute);
    await until('it is removed', async () => (await count('micro_generations')) === 0, 40_000);
    expect(await count('micro_records')).toBe(2);
    expect((await store.list()).records.map(({ key }) => key)).toEqual(['b', 'c']);
  });

  it('is a restore that nobody goes on with; one that comes back changes nothing', async () => {
    await store.write({ key: 'kept', value });
    let isTooLate = false;
    const slowly = async function* () {
      for (let n = 0; n < 250; n++) yield record(`new-${n}`);
      await until('it was given up', () => isTooLate, 15_000);
    };
    const restoring = store.restore(slowly());
    restoring.catch(() => undefined);
    await until('some is there', async () => (await count('micro_records')) === 201);
    await clock.set(3 * minute);
    await sweep();
    expect([await count('micro_records'), await count('micro_generations')]).toEqual([1, 0]);
    isTooLate = true;
    await expect(restoring).rejects.toMatchObject({ code: 'aborted' });
    expect(await count('micro_records')).toBe(1);
    expect((await store.list()).records.map(({ key }) => key)).toEqual(['kept']);
  });

  it('is removed by one at a time', async () => {
    await store.write({ key: 'a', value });
    const done = await Promise.all([sweep(), sweep(), sweep(), sweep()].map((one) => one.catch(() => false)));
    expect(done).toContain(true);
    await connection.rows(
      statement(`UPDATE micro_locks SET until = ${2n ** 62n} WHERE encode(name, 'escape') = 'sweep'`),
    );
    expect(await sweep()).toBe(false);
  });
});

async function* each<T>(...items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
