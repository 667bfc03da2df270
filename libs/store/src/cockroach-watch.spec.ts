import { haveTool, link, postgresTool, until } from '@micro/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CockroachStore } from './cockroach.js';
import type { CockroachConnection } from './cockroach-connection.js';
import { CockroachServer, statement } from './cockroach-server.rig.js';
import { change } from './cockroach-sql.js';

const value = new Uint8Array(1);

describe.skipIf(!haveTool(postgresTool))('a watch', () => {
  let server: CockroachServer;
  let clock: Awaited<ReturnType<CockroachServer['clocked']>>;
  let store: CockroachStore;
  let other: CockroachStore;
  let connection: CockroachConnection;
  /** Version of each key that the watch has told last; of a deleted one none. */
  let told: Map<string, bigint>;
  let isSynced: boolean;

  beforeAll(async () => void (server = await CockroachServer.start()));
  beforeEach(async () => {
    clock = await server.clocked();
    const { url } = clock;
    store = new CockroachStore({ url, timeout: 15_000 });
    other = new CockroachStore({ url, timeout: 15_000 });
    connection = server.connection({ url, pool: 50 });
    told = new Map();
    isSynced = false;
    await other.write({ key: 'first', value });
    void watch();
    await until('it watches', () => isSynced, 30_000);
  });
  afterEach(async () => {
    await Promise.all([store.close(), other.close()]);
    await server.disconnect();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const watch = async () => {
    for await (const event of store.watch()) {
      if (event.type === 'written') told.set(event.record.key, event.record.version);
      else if (event.type === 'deleted') told.delete(event.key);
      else isSynced = true;
    }
  };
  const generation = async () => {
    const [row] = await connection.rows<{ generation: string }>(statement('SELECT generation FROM micro_databases'));
    return row?.generation;
  };
  const versions = async () => {
    const { records } = await other.list({ limit: 10_000, keysOnly: true });
    return records.map(({ key, version }) => `${key} ${version}`).join();
  };
  const isToldAll = async () =>
    [...told]
      .map(([key, version]) => `${key} ${version}`)
      .sort()
      .join() === (await versions());

  it('misses nothing of changes that are seen long after they were begun', { timeout: 120_000 }, async () => {
    const current = await generation();
    const begun = performance.now();
    /** As if the statement itself took so long; not serializable, so that none is in the way of another and begins anew. */
    const slow = async (key: string, milliseconds: number) => {
      const client = new pg.Client(server.url.replace(/postgres$/, new URL(clock.url).pathname.slice(1)));
      await client.connect();
      await client.query('SET search_path = clocked, pg_catalog');
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      const values = [Buffer.from('micro'), Buffer.from(key), Buffer.from(value), '{}', null, 'write', null];
      await client.query(change.text, ['micro', current, ...values]);
      await until('its time has come', () => performance.now() - begun > milliseconds, 30_000);
      await client.query('COMMIT');
      await client.end();
    };
    let isOver = false;
    const busy = (async () => {
      for (let n = 0; !isOver; n++) await other.write({ key: `busy-${String(n % 50).padStart(2, '0')}`, value });
    })();
    await Promise.all(Array.from({ length: 20 }, (_, n) => slow(`slow-${String(n).padStart(2, '0')}`, n * 500)));
    isOver = true;
    await busy;
    await until('all is told', isToldAll, 30_000);
    expect([...told.keys()].filter((key) => key.startsWith('slow'))).toHaveLength(20);
  });

  it(
    'compares all there is when it was away for longer than deletions are remembered',
    { timeout: 60_000 },
    async () => {
      await other.write({ key: 'second', value });
      await until('it is told', isToldAll, 30_000);
      // In the same moment, so that no look comes in between.
      await connection.transaction(
        async (run) => {
          await run(statement(`UPDATE ahead SET interval = '11 minutes'`));
          await run(statement(`DELETE FROM micro_records WHERE encode(key, 'escape') = 'second'`));
          await run(statement(`UPDATE micro_records SET version = version + 1`));
        },
        { repeatable: false },
      );
      await until('it is told', isToldAll, 30_000);
      expect([...told.keys()]).toEqual(['first']);
    },
  );

  it('goes on when the clock of the database is set back, and when it is put right', { timeout: 60_000 }, async () => {
    for (const hours of [-2, 0]) {
      await clock.set(hours * 3_600_000);
      await other.write({ key: `at ${hours}`, value });
      await other.write({ key: `for a while at ${hours}`, value, ttl: 1_000 });
      await other.delete('first');
      await until('it is told', isToldAll, 30_000);
      await other.write({ key: 'first', value });
      await until('it is told', isToldAll, 30_000);
      await until('it has expired', async () => (await other.list({ prefix: 'for' })).records.length === 0, 30_000);
      await until('it is told', isToldAll, 30_000);
    }
    expect([...told.keys()].sort()).toEqual(['at -2', 'at 0', 'first']);
  });

  it('tells what is gone where the server comes back as it was before', { timeout: 60_000 }, async () => {
    await store.close();
    const { host } = new URL(clock.url);
    const way = await link(host);
    store = new CockroachStore({ url: clock.url.replace(host, way.address), timeout: 1_000 });
    told.clear();
    isSynced = false;
    void watch();
    await until('it watches', () => isSynced, 30_000);
    await other.write({ key: 'second', value });
    await until('it is told', isToldAll, 30_000);
    way.cut();
    await expect(store.list()).rejects.toMatchObject({ code: 'unavailable' });
    // As from a backup, with nothing in it that would have changed just now.
    await connection.rows(statement(`DELETE FROM micro_records WHERE encode(key, 'escape') = 'second'`));
    await connection.rows(statement('UPDATE micro_records SET version = version - 1'));
    way.mend();
    await until('it is told', isToldAll, 30_000);
    expect([...told.keys()]).toEqual(['first']);
    await way.end();
  });

  it('tells of many large values that have changed at once in parts that fit', { timeout: 60_000 }, async () => {
    // All of them would take longer than a statement may.
    await store.close();
    store = new CockroachStore({ url: clock.url, timeout: 1_000 });
    isSynced = false;
    const seen = new Set<string>();
    void (async () => {
      for await (const event of store.watch())
        if (event.type === 'synced') isSynced = true;
        else if (event.type === 'written') seen.add(`${event.record.key} ${event.record.value.length}`);
    })();
    await until('it watches', () => isSynced, 30_000);
    await connection.rows(
      statement(`INSERT INTO micro_records (generation, tbl, key, value, metadata, expires, version, changed, feed)
        SELECT generation, tbl, convert_to('large-' || n, 'UTF8'), convert_to(repeat('x', 2097152), 'UTF8'), metadata,
          NULL, version + 1, floor(extract(epoch FROM clock_timestamp()) * 1000000)::INT8, feed
        FROM micro_records, generate_series(1, 95) n`),
    );
    await until('all is told', () => seen.size === 96, 30_000);
  });

  it('is told what a restore has put in the place of everything', { timeout: 60_000 }, async () => {
    await other.write({ key: 'second', value });
    for await (const one of other.snapshot()) if (one.record.key === 'second') await other.restore(only(one));
    await until('it is told', isToldAll, 30_000);
    expect([...told.keys()]).toEqual(['second']);
  });
});

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}
