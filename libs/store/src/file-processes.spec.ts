import { join } from 'node:path';
import { temporaryFolder, until } from '@micro/testing';
import SQLite from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileStore } from './file.js';
import type { StorePlace } from './store-place.rig.js';
import { processesContract } from './processes.contract.js';
import { kill, said, StorePrograms } from './programs.rig.js';

const timeout = 60_000;
let programs: StorePrograms;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let config: StorePlace;
let store: FileStore;

beforeAll(async () => void (programs = await StorePrograms.compile()));
beforeEach(async () => {
  folder = await temporaryFolder();
  config = { adapter: 'file', folder: folder.path };
  store = new FileStore(folder.path);
});
afterEach(async () => {
  await programs.end();
  await store.close();
  await folder[Symbol.asyncDispose]();
});
afterAll(() => programs[Symbol.asyncDispose]());

processesContract('file', { fresh: async () => config, rounds: 40 });

it(
  'a watch whose process was stopped for longer than deletions are remembered hears of them',
  { timeout },
  async () => {
    const count = 20_500;
    const at = (n: number) => `key-${n}`;
    const inBatches = async (change: (n: number) => Promise<unknown>) => {
      for (let n = 0; n < count; n += 500) await Promise.all(Array.from({ length: 500 }, (_, one) => change(n + one)));
    };
    await inBatches((n) => store.write({ key: at(n), value: new Uint8Array() }));
    const watch = programs.start(config, 'watch');
    await until('it watches', () => watch.output().includes('synced'), 20_000);
    process.kill(watch.pid, 'SIGSTOP');
    await inBatches((n) => store.delete(at(n)));
    const db = new SQLite(join(folder.path, 'micro.db'), { readonly: true });
    // What expires is looked for once a second, and then what need not be remembered is forgotten.
    await store.write({ key: 'short', value: new Uint8Array(), ttl: 1 });
    const buried = db.prepare('SELECT count(*) FROM gone').pluck();
    await until('they are forgotten', () => (buried.get() as number) <= 10_001, 10_000);
    db.close();
    process.kill(watch.pid, 'SIGCONT');
    await until(
      'all are seen',
      () => said(watch, 'saw').filter((line) => line.startsWith('deleted key-')).length === count,
      20_000,
    );
  },
);

describe('kill -9 while it writes', () => {
  it(
    'ten times: what was acknowledged is there, what belongs together is whole, and the file opens',
    { timeout },
    async () => {
      const kept = new Map<string, number>();
      for (let round = 0; round < 10; round++) {
        const writers = [`${round}-a`, `${round}-b`].map((writer) => programs.start(config, 'write', { writer }));
        await until(
          'both write',
          () => writers.every((writer) => said(writer, 'kept').length > 5 + round),
          20_000,
        ).catch((error: Error) => {
          const ends = writers.map(({ child, output }) => `${child.exitCode ?? 'still runs'}: ${output().slice(-300)}`);
          throw new Error(`${error.message}:\n${ends.join('\n')}`);
        });
        await Promise.all(writers.map(kill));
        for (const line of writers.flatMap((writer) => said(writer, 'kept'))) {
          const [writer = '', sequence] = line.split(' ');
          kept.set(writer, Number(sequence));
        }
        const reopened = new FileStore(folder.path);
        const [left, right] = await Promise.all(['left', 'right'].map((side) => reopened.read(`pair/${side}`)));
        expect(Buffer.from(left?.value ?? []).toString()).toBe(Buffer.from(right?.value ?? []).toString());
        for (const [writer, last] of kept) {
          for (let sequence = 0; sequence <= last; sequence++) {
            const keys = (await reopened.list({ prefix: `${writer}/${sequence}/` })).records;
            // The first is deleted once the next are written.
            const isDeleted = sequence < last || keys.length === 9;
            expect(keys.length, `${writer}/${sequence}`).toBe(isDeleted ? 9 : 10);
            for (const { value } of keys)
              expect(JSON.parse(Buffer.from(value).toString())).toMatchObject({ writer, sequence });
          }
        }
        await reopened.close();
        const db = new SQLite(join(folder.path, 'micro.db'), { readonly: true });
        expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
        db.close();
      }
      expect(kept.size).toBe(20);
    },
  );
});
