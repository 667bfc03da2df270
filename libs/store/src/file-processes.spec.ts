import { join } from 'node:path';
import {
  checkLinearizable,
  compileProgram,
  type Model,
  type Operation,
  type Program,
  startProgram,
  temporaryFolder,
  until,
  workspaceRoot,
} from '@micro/testing';
import SQLite from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileStore } from './file.js';
import type {
  Account,
  CounterInput,
  HistoryOrder,
  LockInput,
  Said,
  TransferInput,
  WriteOrder,
} from './file.program.js';

const timeout = 60_000;
const initialBalance = 100;
/** Where a program finds better-sqlite3, which is in no bundle. */
const nativePackages = { NODE_PATH: join(workspaceRoot, 'node_modules') };
let compiled: Awaited<ReturnType<typeof temporaryFolder>>;
let program: string;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: FileStore;
let programs: Program[] = [];

beforeAll(async () => {
  compiled = await temporaryFolder();
  program = await compileProgram(new URL('file.program.ts', import.meta.url), compiled.path);
});
beforeEach(async () => {
  folder = await temporaryFolder();
  store = new FileStore(folder.path);
});
afterEach(async () => {
  await Promise.all(programs.map(kill));
  programs = [];
  await store.close();
  await folder[Symbol.asyncDispose]();
});
afterAll(() => compiled[Symbol.asyncDispose]());

function start(what: 'count' | 'transfer' | 'lock', order: HistoryOrder): Program;
function start(what: 'write', order: WriteOrder): Program;
function start(what: 'watch'): Program;
function start(what: string, order: object = {}): Program {
  const started = startProgram(program, nativePackages, [what, folder.path, JSON.stringify(order)]);
  programs.push(started);
  return started;
}

async function kill({ child, exited }: Program): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}

/** Its lines that begin so, without the last where it may be cut off. */
function said(by: Program, first: string): string[] {
  const lines = by.output().split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith(`${first} `)).map((line) => line.slice(first.length + 1));
}

/** What so many clients, in four processes, did and were told. */
async function history<Input, Output>(
  what: 'count' | 'transfer' | 'lock',
  { clients, rounds }: { readonly clients: number; readonly rounds: number },
): Promise<Operation<Input, Output>[]> {
  const started = [0, 1, 2, 3].map((number) => {
    const own = Array.from({ length: clients / 4 }, (_, index) => number * (clients / 4) + index);
    return start(what, { clients: own, rounds });
  });
  const isDone = ({ output }: Program) => output().endsWith('end\n');
  await until('all are done', () => started.every(isDone), 30_000).catch((error: Error) => {
    throw new Error(`${error.message}: ${started.map(({ output }) => output().slice(-200)).join('\n')}`);
  });
  return started.flatMap((one) =>
    said(one, 'did').map((line) => {
      const { called, returned, ...rest } = JSON.parse(line) as Said;
      return { ...rest, called: BigInt(called), returned: BigInt(returned) } as Operation<Input, Output>;
    }),
  );
}

const json = async <T>(key: string) => JSON.parse(Buffer.from((await store.read(key)).value).toString()) as T;

describe('several processes', () => {
  it('64 writers in four processes add to one counter by compare-and-set, and lose nothing', { timeout }, async () => {
    await store.write({ key: 'counter', value: Buffer.from('0') });
    const counter: Model<number, CounterInput, number | boolean> = {
      initial: 0,
      step(state, input, output) {
        if (input.type === 'read') return output === state ? [state] : [];
        const taken = state === input.from;
        return output === taken ? [taken ? input.to : state] : [];
      },
      idle: (input, output) => input.type === 'read' || output === false,
      key: String,
    };
    const operations = await history<CounterInput, number | boolean>('count', { clients: 64, rounds: 40 });
    const taken = operations.filter(({ input, output }) => input.type === 'cas' && output === true).length;
    const refused = operations.filter(({ output }) => output === false).length;
    expect([operations.length, taken > 100, refused > 100]).toEqual([64 * 40 * 2, true, true]);
    expect(await json<number>('counter')).toBe(taken);
    expect(checkLinearizable(counter, operations)).toEqual({ linearizable: true });
  });

  it(
    'transactions over two of several accounts are made whole or not at all, one after the other',
    { timeout },
    async () => {
      const numbers = [0, 1, 2, 3];
      const initial: readonly Account[] = numbers.map(() => ({ balance: initialBalance, changes: 0 }));
      for (const number of numbers)
        await store.write({ key: `account-${number}`, value: Buffer.from(JSON.stringify(initial[number])) });
      const bank: Model<readonly Account[], TransferInput, boolean> = {
        initial,
        step(state, { from, to, amount, seen }, output) {
          const [one, other] = [state[from] as Account, state[to] as Account];
          if (output !== (one.changes === seen[0] && other.changes === seen[1])) return [];
          if (!output || amount === 0) return [state];
          const after = [...state];
          after[from] = { balance: one.balance - amount, changes: one.changes + 1 };
          after[to] = { balance: other.balance + amount, changes: other.changes + 1 };
          return [after];
        },
        idle: ({ amount }, output) => amount === 0 || output === false,
        key: (state) => state.map(({ balance, changes }) => `${balance} ${changes}`).join(),
      };
      const operations = await history<TransferInput, boolean>('transfer', { clients: 16, rounds: 60 });
      expect(new Set(operations.map(({ output }) => output)).size).toBe(2);
      expect(checkLinearizable(bank, operations)).toEqual({ linearizable: true });
      const left = await Promise.all(numbers.map((number) => json<Account>(`account-${number}`)));
      expect(left.reduce((sum, { balance }) => sum + balance, 0)).toBe(4 * initialBalance);
      const made = operations.filter(({ input, output }) => output && input.amount > 0).length;
      expect(left.reduce((sum, { changes }) => sum + changes, 0)).toBe(2 * made);
    },
  );

  it('a lock by versions has one holder at a time', { timeout }, async () => {
    const mutex: Model<string, LockInput, boolean | string> = {
      initial: 'nobody',
      step(state, input, output) {
        if (input.type === 'read') return output === state ? [state] : [];
        const right = input.type === 'acquire' ? state === 'nobody' : state === input.holder;
        if (output !== right) return [];
        return [right ? (input.type === 'acquire' ? input.holder : 'nobody') : state];
      },
      idle: (input, output) => input.type === 'read' || output === false,
      key: (state) => state,
    };
    const operations = await history<LockInput, boolean | string>('lock', { clients: 16, rounds: 60 });
    const of = (type: string, output: boolean) =>
      operations.filter((one) => one.input.type === type && one.output === output).length;
    expect([of('acquire', true) > 50, of('acquire', false) > 50, of('release', false)]).toEqual([true, true, 0]);
    expect(of('release', true)).toBe(of('acquire', true));
    expect(checkLinearizable(mutex, operations)).toEqual({ linearizable: true });
  });

  it('a watch sees what the others change, each key in its order, and how it ends', { timeout }, async () => {
    const watch = start('watch');
    await until('it watches', () => watch.output().includes('synced'));
    const writers = ['a', 'b'].map((writer) => start('write', { writer }));
    await until('both have written', () => writers.every((writer) => said(writer, 'kept').length > 30), 30_000);
    await Promise.all(writers.map(kill));
    await store.write({ key: 'last', value: new Uint8Array() });
    await until('the last has been seen', () => said(watch, 'saw').some((line) => line.includes(' last ')), 10_000);
    const seen = new Map<string, { readonly type: string; readonly version: bigint }>();
    for (const line of said(watch, 'saw')) {
      const [type = '', key = '', version = '0'] = line.split(' ');
      const before = seen.get(key);
      if (type !== 'deleted') expect(BigInt(version), line).toBeGreaterThan(before?.version ?? 0n);
      seen.set(key, { type, version: type === 'deleted' ? (before?.version ?? 0n) : BigInt(version) });
    }
    const records = [];
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await store.list({ limit: 10_000, keysOnly: true, cursor });
      records.push(...page.records);
      cursor = page.cursor;
    }
    const there = [...seen]
      .filter(([, { type }]) => type !== 'deleted')
      .map(([key, { version }]) => `${key} ${version}`);
    expect(there.sort()).toEqual(records.map(({ key, version }) => `${key} ${version}`).sort());
  });
});

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
    const watch = start('watch');
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
        const writers = [`${round}-a`, `${round}-b`].map((writer) => start('write', { writer }));
        await until('both write', () => writers.every((writer) => said(writer, 'kept').length > 5 + round), 20_000);
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
