import { haveTool, postgresTool, until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { steps } from './cockroach-schema.js';
import { CockroachServer, statement } from './cockroach-server.rig.js';
import { processesContract } from './processes.contract.js';
import { StorePrograms } from './programs.rig.js';

describe.skipIf(!haveTool(postgresTool))('on a server', () => {
  let server: CockroachServer;
  beforeAll(async () => void (server = await CockroachServer.start()));
  afterAll(() => server[Symbol.asyncDispose]());

  const fresh = async () => ({ adapter: 'cockroach', url: await server.empty(), timeout: 15_000 }) as const;

  processesContract('cockroach', { fresh, rounds: 10 });

  it('four processes that begin at the same time make the tables once', { timeout: 120_000 }, async () => {
    await using programs = await StorePrograms.compile();
    const config = await fresh();
    const started = [1, 2, 3, 4].map(() => programs.start(config, 'touch'));
    await until('all have written', () => started.every(({ output }) => output().includes('\n')), 60_000);
    expect(started.map(({ output }) => output())).toEqual(started.map(() => 'end\n'));
    const connection = server.connection({ url: config.url });
    expect(await connection.rows(statement('SELECT count(*) AS made FROM micro_migrations'))).toEqual([
      { made: BigInt(steps.length) },
    ]);
    expect(await connection.rows(statement('SELECT count(*) AS kept FROM micro_records'))).toEqual([{ kept: 1n }]);
  });
});
