import { haveTool, postgresTool, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CockroachStore } from './cockroach.js';
import { CockroachServer } from './cockroach-server.rig.js';
import { type SnapshotRecord, storeLimits } from './store.js';

const timeout = 120_000;
const count = 2_000;

describe.skipIf(!haveTool(postgresTool))('much', () => {
  let server: CockroachServer;
  let store: CockroachStore;
  beforeAll(async () => void (server = await CockroachServer.start()));
  beforeEach(async () => void (store = new CockroachStore({ url: await server.empty(), timeout: 15_000 })));
  afterEach(async () => {
    await store.close();
    await server.disconnect();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const key = (n: number) => `key-${String(n).padStart(5, '0')}`;
  /** As many records, each with the same value. */
  async function* records(value: string, table = 'micro'): AsyncGenerator<SnapshotRecord> {
    for (let n = 0; n < count; n++)
      yield { table, record: { key: key(n), value: Buffer.from(value), metadata: {}, expiresAt: undefined } };
  }
  const values = (found: readonly { readonly value: Uint8Array }[]) =>
    [...new Set(found.map(({ value }) => Buffer.from(value).toString()))].join();

  it('is restored at one moment, for readers, snapshots and writers', { timeout }, async () => {
    expect(await store.restore(records('0'))).toBe(count);
    const seen = new Set<string>();
    let isOver = false;
    const read = async () => {
      while (!isOver) {
        const page = await store.list({ limit: 10_000 });
        seen.add(`${page.records.length} ${values(page.records)}`);
      }
    };
    const snapshot = async () => {
      while (!isOver) {
        const found: SnapshotRecord['record'][] = [];
        for await (const { record } of store.snapshot()) found.push(record);
        seen.add(`${found.length} ${values(found)}`);
      }
    };
    let [written, refused] = [0, 0];
    const write = async () => {
      while (!isOver) {
        const { version, value } = await store.read(key(7));
        // Whoever has read before a restore does not write after it.
        await store.write({ key: key(7), value }, { ifVersion: version }).then(
          () => written++,
          () => refused++,
        );
      }
    };
    const busy = Promise.all([read(), snapshot(), write()]);
    for (let round = 1; round <= 3; round++) expect(await store.restore(records(String(round)))).toBe(count);
    await until('the last is seen', () => seen.has(`${count} 3`), 30_000);
    isOver = true;
    await busy;
    expect([...seen].filter((one) => !/^2000 \d$/.test(one))).toEqual([]);
    expect(written).toBeGreaterThan(0);
  });

  it('of one key that comes twice is restored as what came last', async () => {
    const twice = async function* () {
      yield* records('first');
      yield* records('last');
    };
    expect(await store.restore(twice())).toBe(count);
    expect(values((await store.list({ limit: 10_000 })).records)).toBe('last');
  });

  it('of large values is listed and snapshotted in parts that fit', { timeout }, async () => {
    const large = Buffer.alloc(storeLimits.valueBytes, 7);
    for (let n = 0; n < 20; n++) await store.write({ key: key(n), value: large });
    const found: string[] = [];
    let pages = 0;
    let cursor: string | undefined;
    do {
      const page = await store.list({ limit: 100, cursor });
      expect(page.records.length).toBeLessThan(10);
      found.push(...page.records.map((record) => record.key));
      cursor = page.cursor;
      pages++;
    } while (cursor !== undefined);
    expect([found, pages]).toEqual([Array.from({ length: 20 }, (_, n) => key(n)), 3]);
    let bytes = 0;
    for await (const { record } of store.snapshot()) bytes += record.value.length;
    expect(bytes).toBe(20 * large.length);
  });

  it('that is read slowly is read to its end, and released where nobody goes on', { timeout }, async () => {
    await store.restore(records('0'));
    // Half of the connections.
    const begun = Array.from({ length: 5 }, () => store.snapshot()[Symbol.asyncIterator]());
    for (const one of begun) expect((await one.next()).done).toBe(false);
    const another = async () => {
      for await (const { record } of store.snapshot()) return Buffer.from(record.value).toString();
      return 'nothing';
    };
    await expect(another()).rejects.toMatchObject({ code: 'resource_exhausted' });
    await store.restore(records('1'));
    for (const one of begun.slice(1)) await one.return?.();
    expect(await another()).toBe('1');
    const [first] = begun as [AsyncIterator<SnapshotRecord>];
    const rest: SnapshotRecord['record'][] = [];
    for (let next = await first.next(); !next.done; next = await first.next()) rest.push(next.value.record);
    expect([rest.length, values(rest)]).toEqual([count - 1, '0']);
  });
});
