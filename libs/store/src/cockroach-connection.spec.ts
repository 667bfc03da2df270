import { randomUUID } from 'node:crypto';
import { haveTool, postgresTool, until } from '@micro/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CockroachConnection } from './cockroach-connection.js';
import { leaseTables, microseconds, takeLock } from './cockroach-lease.js';
import { checkedOptions, type CockroachOptions } from './cockroach-options.js';
import { steps } from './cockroach-schema.js';
import { CockroachServer, statement } from './cockroach-server.rig.js';
import { grace } from './cockroach-source.js';

describe('options', () => {
  const refused = (options: CockroachOptions, words: RegExp) => {
    let thrown: unknown;
    try {
      checkedOptions(options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'invalid_argument', detail: expect.stringMatching(words) });
    expect(String((thrown as Error).stack)).not.toContain('hunter2');
  };
  const url = 'postgres://me:hunter2@db.example.com/micro';

  it('are refused with the setting that is wrong, and without the password', () => {
    refused({ url: 'me:hunter2' }, /MICRO_COCKROACH_URL is no postgres/);
    refused({ url: 'mysql://me:hunter2@host/db' }, /MICRO_COCKROACH_URL is no postgres/);
    refused({ url: 'postgres://host/db' }, /user:password/);
    refused({ url: 'postgres://me:hunter2%@host/db' }, /write %25/);
    refused({ url: `${url}?sslrootcert=/hunter2` }, /sslrootcert.*MICRO_COCKROACH_CA/);
    refused({ url: `${url}?sslmode=prefer` }, /sslmode/);
    refused({ url, cert: 'x' }, /MICRO_COCKROACH_KEY/);
    refused({ url, pool: 1 }, /MICRO_COCKROACH_POOL/);
    refused({ url, timeout: 60_000 }, /MICRO_COCKROACH_TIMEOUT/);
  });

  it('are encrypted and checked but on the same machine, unless they say otherwise', () => {
    expect(checkedOptions({ url }).ssl).toMatchObject({ rejectUnauthorized: true });
    expect(checkedOptions({ url: `${url}?sslmode=disable` }).ssl).toBe(false);
    expect(checkedOptions({ url: 'postgres://me@127.0.0.1/micro' }).ssl).toBe(false);
    expect(checkedOptions({ url: 'postgres://me@localhost/micro', ca: 'pem' }).ssl).toMatchObject({ ca: 'pem' });
    expect(checkedOptions({ url: 'postgres://me:a%40b@[::1]:1/micro' })).toMatchObject({
      host: '::1',
      port: 1,
      password: 'a@b',
    });
  });

  it('that nobody gave end before a call does, so that its caller hears what is wrong', () => {
    const { timeout } = checkedOptions({ url });
    // Milliseconds of a call whose caller says nothing.
    expect(timeout + grace).toBeLessThan(5_000);
  });
});

describe.skipIf(!haveTool(postgresTool))('a connection', () => {
  let server: CockroachServer;
  beforeAll(async () => void (server = await CockroachServer.start()));
  afterEach(() => server.disconnect());
  afterAll(() => server[Symbol.asyncDispose]());

  const open = (options?: Partial<CockroachOptions>) => server.connection(options);

  it('makes the tables once, however many begin at the same time', async () => {
    const url = await server.empty();
    const connections = Array.from({ length: 8 }, () => open({ url, pool: 2 }));
    const counts = await Promise.all(
      connections.map((one) => one.rows<{ count: bigint }>(statement('SELECT count(*) FROM micro_migrations'))),
    );
    expect(counts.map(([row]) => row?.count)).toEqual(Array.from({ length: 8 }, () => BigInt(steps.length)));
    const held = await (connections[0] as CockroachConnection).rows(
      statement(`SELECT name FROM micro_locks WHERE until > ${microseconds}`),
    );
    expect(held).toEqual([]);
  });

  it('goes on where another process died over the tables', async () => {
    const url = await server.empty();
    const first = open({ url });
    await first.rows(statement('SELECT 1'));
    // As it is left by one that was killed between the last step and the note of it.
    await first.rows(statement('DELETE FROM micro_migrations'));
    await open({ url }).rows(statement('SELECT 1'));
    const rows = await first.rows<{ name: string }>(statement('SELECT name FROM micro_migrations'));
    expect(rows).toHaveLength(steps.length);
  });

  it('refuses tables of a later Micro', async () => {
    const url = await server.empty();
    await open({ url }).rows(statement('SELECT 1'));
    await open({ url }).rows(statement(`INSERT INTO micro_migrations (timestamp, name) VALUES (1, 'Later')`, false));
    await expect(open({ url }).rows(statement('SELECT 1'))).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining('later version'),
    });
  });

  it('is closed while others make the tables, without waiting for them', { timeout: 60_000 }, async () => {
    const url = await server.empty();
    const database = new pg.Client(url);
    await database.connect();
    for (const text of leaseTables) await database.query(text);
    // By a process that will not get any further.
    await database.query(takeLock.text, ['', Buffer.from('migrations'), 'dead', '3600000']);
    const connection = open({ url });
    const asked = expect(connection.rows(statement('SELECT 1'))).rejects.toMatchObject({ code: 'unavailable' });
    const waits = async () => {
      const { rows } = await database.query(
        `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%INTO micro_locks%' AND state = 'idle'`,
      );
      return rows.length > 0;
    };
    await until('it waits', waits);
    await connection.close();
    await asked;
    await database.end();
  });

  it('is serializable, and makes again what others were in the way of', async () => {
    const connection = open();
    const [row] = await connection.rows<{ transaction_isolation: string }>(statement('SHOW transaction_isolation'));
    expect(row?.transaction_isolation).toBe('serializable');
    const table = `t${randomUUID().replaceAll('-', '')}`;
    await connection.rows(statement(`CREATE TABLE ${table} (n INT8)`));
    await connection.rows(statement(`INSERT INTO ${table} VALUES (0)`, false));
    let attempts = 0;
    const add = () =>
      connection.transaction(
        async (run) => {
          attempts++;
          const [{ n } = { n: 0n }] = await run<{ n: bigint }>(statement(`SELECT n FROM ${table}`));
          await run(statement(`UPDATE ${table} SET n = ${n + 1n}`));
        },
        { repeatable: false },
      );
    await Promise.all(Array.from({ length: 30 }, add));
    expect(await connection.rows(statement(`SELECT n FROM ${table}`))).toEqual([{ n: 30n }]);
    expect(attempts).toBeGreaterThan(30);
  });

  it('gives up what others are in the way of for too long, and has changed nothing', async () => {
    const connection = open({ timeout: 500 });
    const other = open();
    const table = `t${randomUUID().replaceAll('-', '')}`;
    await other.rows(statement(`CREATE TABLE ${table} (n INT8)`));
    await other.rows(statement(`INSERT INTO ${table} VALUES (0)`, false));
    let attempts = 0;
    const losing = connection.transaction(
      async (run) => {
        attempts++;
        await run(statement(`SELECT n FROM ${table}`));
        await other.rows(statement(`UPDATE ${table} SET n = n + 1`, false));
        await run(statement(`UPDATE ${table} SET n = -1`));
      },
      { repeatable: false },
    );
    await expect(losing).rejects.toMatchObject({ code: 'aborted', detail: expect.stringContaining('too many others') });
    expect(attempts).toBeGreaterThan(2);
    expect(await other.rows(statement(`SELECT n FROM ${table}`))).toEqual([{ n: BigInt(attempts) }]);
  });

  it.each([true, false])('that is lost is made again where that does no harm: %s', async (repeatable) => {
    const connection = open();
    const other = open();
    const mark = randomUUID();
    const asked = connection.rows(statement(`SELECT pg_sleep(3), '${mark}' AS mark`, repeatable)).then(
      (rows) => rows.length,
      (error: { code: string }) => error.code,
    );
    const end = statement(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%${mark}%' AND pid <> pg_backend_pid() AND state = 'active'`,
    );
    await until('it is ended', async () => (await other.rows(end)).length > 0);
    expect(await asked).toBe(repeatable ? 1 : 'unavailable');
    // Between two statements nobody waits for an answer.
    const broken = connection.transaction(
      async (run) => {
        const [{ pid } = { pid: 0 }] = await run<{ pid: number }>(statement('SELECT pg_backend_pid() AS pid'));
        await other.rows(statement(`SELECT pg_terminate_backend(${pid})`));
        const there = statement(`SELECT 1 FROM pg_stat_activity WHERE pid = ${pid}`);
        await until('it is gone', async () => (await other.rows(there)).length === 0);
        await run(statement('SELECT 1'));
      },
      { repeatable: false },
    );
    await expect(broken).rejects.toMatchObject({ code: 'unavailable' });
    expect(await connection.rows(statement('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });

  it('gives up a statement that takes too long', async () => {
    const connection = open({ timeout: 300, pool: 2 });
    await expect(connection.rows(statement('SELECT pg_sleep(20)'))).rejects.toMatchObject({
      code: 'deadline_exceeded',
      detail: expect.stringContaining('MICRO_COCKROACH_TIMEOUT'),
    });
    expect(await connection.rows(statement('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });

  it('gives up a wait for a connection, at once where many wait already', async () => {
    const connection = open({ timeout: 1_000, pool: 2 });
    const sleep = () => connection.rows(statement('SELECT pg_sleep(0.1)'));
    await sleep();
    const asked = Array.from({ length: 300 }, () =>
      sleep().then(
        () => 'done',
        (error: Error) => error,
      ),
    );
    const refused = (await Promise.all(asked)).filter((one) => one !== 'done');
    expect(refused.length).toBeGreaterThan(98);
    expect(refused.length).toBeLessThan(300);
    const detail = expect.stringContaining('MICRO_COCKROACH_POOL') as string;
    for (const error of refused) expect(error).toMatchObject({ code: 'resource_exhausted', detail });
    expect(await connection.rows(statement('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });

  it('says what is wrong with where it connects to', async () => {
    const asked = (url: string) =>
      open({ url })
        .rows(statement('SELECT 1'))
        .catch((error: unknown) => error);
    expect(await asked(server.url.replace(/\d+\/postgres/, '1/postgres'))).toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('127.0.0.1:1'),
    });
    expect(await asked(`${server.url}nothing`)).toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining('no such database'),
    });
    expect(await asked(`${server.url}?sslmode=require`)).toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining('speaks no TLS'),
    });
  });

  it('answers nothing once it is closed, and is closed while something is read', async () => {
    const connection = open();
    const reading = connection.reading(async function* (run) {
      for (;;) yield* await run(statement('SELECT 1'));
    });
    await reading.next();
    await connection.close();
    await expect(connection.rows(statement('SELECT 1'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(reading.next()).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('closed'),
    });
  });

  it('is closed in time, even where the server is busy for longer', { timeout: 60_000 }, async () => {
    const connection = open({ timeout: 500 });
    const long = connection.transaction((run) => run(statement('SELECT pg_sleep(50)')), {
      repeatable: false,
      timeout: 60_000,
    });
    const over = expect(long).rejects.toMatchObject({ code: 'unavailable' });
    const asks = open();
    const sleeping = statement(
      `SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(50)' AND state = 'active'`,
    );
    await until('it is busy', async () => (await asks.rows(sleeping)).length > 0);
    const begun = performance.now();
    await connection.close();
    await over;
    expect(performance.now() - begun).toBeLessThan(40_000);
  });
});
