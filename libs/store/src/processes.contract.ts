import { checkLinearizable, type Model, type Program, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openPlace, type StorePlace } from './store-place.rig.js';
import { kill, said, StorePrograms } from './programs.rig.js';
import type { Store } from './store.js';
import { type Account, type CounterInput, type LockInput, type TransferInput } from './store.program.js';

export interface ProcessesContractOptions {
  /** Of a store that nobody has used yet. */
  readonly fresh: () => Promise<StorePlace>;
  /** Operations of each of 64 clients on one record; where there are fewer clients, half as many again. */
  readonly rounds: number;
}

const timeout = 120_000;
const initialBalance = 100;

/** The contract of store.ts among several processes: what they did can be explained by one order of operations. */
export function processesContract(adapter: string, { fresh, rounds }: ProcessesContractOptions): void {
  describe(`several processes with a ${adapter} store`, () => {
    let programs: StorePrograms;
    let config: StorePlace;
    let store: Store;

    beforeAll(async () => void (programs = await StorePrograms.compile()));
    beforeEach(async () => {
      config = await fresh();
      store = await openPlace(config);
    });
    afterEach(async () => {
      await programs.end();
      await store.close();
    });
    afterAll(() => programs[Symbol.asyncDispose]());

    const json = async <T>(key: string) => JSON.parse(Buffer.from((await store.read(key)).value).toString()) as T;

    it(
      '64 writers in four processes add to one counter by compare-and-set, and lose nothing',
      { timeout },
      async () => {
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
        const operations = await programs.history<CounterInput, number | boolean>(config, 'count', {
          clients: 64,
          rounds,
        });
        const taken = operations.filter(({ input, output }) => input.type === 'cas' && output === true).length;
        const refused = operations.filter(({ output }) => output === false).length;
        expect([operations.length, taken >= rounds, refused > rounds]).toEqual([64 * rounds * 2, true, true]);
        expect(await json<number>('counter')).toBe(taken);
        expect(checkLinearizable(counter, operations)).toEqual({ linearizable: true });
      },
    );

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
        const operations = await programs.history<TransferInput, boolean>(config, 'transfer', {
          clients: 16,
          rounds: 1.5 * rounds,
        });
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
      const operations = await programs.history<LockInput, boolean | string>(config, 'lock', {
        clients: 16,
        rounds: 1.5 * rounds,
      });
      const of = (type: string, output: boolean) =>
        operations.filter((one) => one.input.type === type && one.output === output).length;
      expect([of('acquire', true) > rounds, of('acquire', false) > rounds, of('release', false)]).toEqual([
        true,
        true,
        0,
      ]);
      expect(of('release', true)).toBe(of('acquire', true));
      expect(checkLinearizable(mutex, operations)).toEqual({ linearizable: true });
    });

    it('a watch sees what the others change, each key in its order, and how it ends', { timeout }, async () => {
      const watch = programs.start(config, 'watch');
      await until('it watches', () => watch.output().includes('synced'));
      const writers = ['a', 'b'].map((writer) => programs.start(config, 'write', { writer }));
      const enough = () => writers.every((writer) => said(writer, 'kept').length > 30);
      await until('both have written', enough, 60_000).catch((error: Error) => {
        throw new Error(`${error.message}: ${writers.map(({ output }) => output().slice(-200)).join('\n')}`);
      });
      await Promise.all(writers.map(kill));
      // What was under way when they were killed may still be made.
      await until('it knows what there is', async () => known(watch) === (await versions(store)), 30_000);
    });
  });
}

/** Of each key the last version that a watch told of, which never goes back. */
function known(watch: Program): string {
  const seen = new Map<string, { readonly type: string; readonly version: bigint }>();
  for (const line of said(watch, 'saw')) {
    const [type = '', key = '', version = '0'] = line.split(' ');
    const before = seen.get(key);
    if (type !== 'deleted') expect(BigInt(version), line).toBeGreaterThan(before?.version ?? 0n);
    seen.set(key, { type, version: type === 'deleted' ? (before?.version ?? 0n) : BigInt(version) });
  }
  const there = [...seen].filter(([, { type }]) => type !== 'deleted').map(([key, { version }]) => `${key} ${version}`);
  return there.sort().join();
}

async function versions(store: Store): Promise<string> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({ limit: 10_000, keysOnly: true, cursor });
    found.push(...page.records.map(({ key, version }) => `${key} ${version}`));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found.sort().join();
}
