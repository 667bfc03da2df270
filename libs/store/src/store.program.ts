/** For specs: a process of its own that uses a store. Arguments: what to do; which store and how, as JSON. What it did it says a line each. */
import { rmSync, writeFileSync, writeSync } from 'node:fs';
import { MicroError } from '@micro/errors';
import { openPlace, type StorePlace } from './store-place.rig.js';
import type { Store } from './store.js';

export interface HistoryOrder {
  /** Numbers of the clients in this process; they work side by side. */
  readonly clients: readonly number[];
  /** Operations of each. */
  readonly rounds: number;
}

export interface WriteOrder {
  readonly writer: string;
}

/** An operation on the counter: a number that is added to by compare-and-set. */
export type CounterInput =
  { readonly type: 'read' } | { readonly type: 'cas'; readonly from: number; readonly to: number };

/** On two accounts: `seen` are the numbers of their changes that the client saw; `amount` 0 only looks whether they are still those. */
export interface TransferInput {
  readonly from: number;
  readonly to: number;
  readonly amount: number;
  readonly seen: readonly [number, number];
}

/** On a lock: a record that only its holder has made. */
export type LockInput = { readonly type: 'acquire' | 'release'; readonly holder: string } | { readonly type: 'read' };

export interface Said {
  readonly client: number;
  readonly input: unknown;
  readonly output: unknown;
  readonly called: string;
  readonly returned: string;
}

export interface Account {
  readonly balance: number;
  readonly changes: number;
}

export const accounts = 4;
export const initialBalance = 100;

const [, , what = '', chosen = '{}', given = '{}'] = process.argv;
const encode = (value: unknown) => Buffer.from(JSON.stringify(value));
const decode = <T>(value: Uint8Array) => JSON.parse(Buffer.from(value).toString()) as T;
const account = (number: number) => `account-${number}`;

/** At once, so that a process that is killed has said what it did. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

async function recorded<T>(client: number, input: unknown, operation: () => Promise<T>): Promise<T> {
  const called = process.hrtime.bigint();
  const output = await operation();
  const said: Said = { client, input, output, called: String(called), returned: String(process.hrtime.bigint()) };
  say(`did ${JSON.stringify(said)}`);
  return output;
}

/** Whether the change was made; false where somebody else was first. */
async function made(change: Promise<unknown>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    const { code } = MicroError.from(error);
    if (code === 'aborted' || code === 'not_found' || code === 'already_exists') return false;
    throw error;
  }
}

async function count(store: Store, client: number): Promise<void> {
  let version = 0n;
  const read = async () => {
    const record = await store.read('counter');
    version = record.version;
    return decode<number>(record.value);
  };
  const from = await recorded(client, { type: 'read' }, read);
  await recorded(client, { type: 'cas', from, to: from + 1 }, () =>
    made(store.write({ key: 'counter', value: encode(from + 1) }, { ifVersion: version })),
  );
}

async function transfer(store: Store, client: number): Promise<void> {
  const from = Math.floor(Math.random() * accounts);
  const to = (from + 1 + Math.floor(Math.random() * (accounts - 1))) % accounts;
  const records = await Promise.all([from, to].map((number) => store.read(account(number))));
  const [one, other] = records.map(({ value }) => decode<Account>(value)) as [Account, Account];
  const amount = Math.random() < 0.2 ? 0 : 1 + Math.floor(Math.random() * 10);
  const input: TransferInput = { from, to, amount, seen: [one.changes, other.changes] };
  const after = [
    { balance: one.balance - amount, changes: one.changes + 1 },
    { balance: other.balance + amount, changes: other.changes + 1 },
  ];
  const changes = records.map(({ key, version }, index) =>
    amount === 0
      ? ({ type: 'check', key, ifVersion: version } as const)
      : ({ type: 'write', record: { key, value: encode(after[index]) }, ifVersion: version } as const),
  );
  await recorded(client, input, () => made(store.transact(changes)));
}

async function lock(store: Store, client: number): Promise<void> {
  const holder = `client ${client}`;
  let version = 0n;
  const acquire = async () =>
    ({ version } = await store.write({ key: 'lock', value: encode(holder) }, { ifVersion: 0n }));
  const acquired = await recorded(client, { type: 'acquire', holder }, () => made(acquire()));
  if (!acquired) {
    await recorded(client, { type: 'read' }, async () => {
      try {
        return decode<string>((await store.read('lock')).value);
      } catch {
        return 'nobody';
      }
    });
    return;
  }
  await recorded(client, { type: 'release', holder }, () => made(store.delete('lock', { ifVersion: version })));
}

async function history(
  store: Store,
  { clients, rounds }: HistoryOrder,
  step: (store: Store, client: number) => Promise<void>,
): Promise<void> {
  const client = async (number: number) => {
    for (let round = 0; round < rounds; round++) await step(store, number);
  };
  await Promise.all(clients.map(client));
}

/** Until it is killed: says `kept <writer> <sequence>` when both halves of a pair, and a record of its own, are. */
async function write(store: Store, { writer }: WriteOrder): Promise<void> {
  for (let sequence = 0; ; sequence++) {
    const value = encode({ writer, sequence, filling: 'x'.repeat(sequence % 3_000) });
    const pair = store.transact(
      ['left', 'right'].map((side) => ({ type: 'write', record: { key: `pair/${side}`, value } })),
    );
    const own = Array.from({ length: 10 }, (_, part) => store.write({ key: `${writer}/${sequence}/${part}`, value }));
    await Promise.all([pair, ...own]);
    if (sequence > 0) await store.delete(`${writer}/${sequence - 1}/0`);
    say(`kept ${writer} ${sequence}`);
  }
}

/** Says `saw <type> <key> <version>` of each event. */
async function watch(store: Store): Promise<void> {
  for await (const event of store.watch()) {
    if (event.type === 'synced') say('synced');
    else
      say(`saw ${event.type} ${event.type === 'deleted' ? event.key : `${event.record.key} ${event.record.version}`}`);
  }
}

/** Fills a small disk; says how that ended, what is there then, and whether all is well once there is room. */
async function fill(store: Store, folder: string): Promise<void> {
  const ballast = `${folder}/ballast`;
  writeFileSync(ballast, new Uint8Array(500_000));
  const value = new Uint8Array(50_000);
  let kept = 0;
  const count = async () => (await store.list({ keysOnly: true })).records.length;
  try {
    for (; ; kept++) await store.write({ key: `${kept}`, value });
  } catch (error) {
    const { code, detail } = MicroError.from(error);
    say(`${code} ${detail.includes(`${folder}/micro.db`)}`);
  }
  say(`${kept > 0 && (await count()) === kept}`);
  rmSync(ballast);
  await store.write({ key: 'again', value });
  say(`room again ${(await count()) === kept + 1}`);
}

async function main(): Promise<void> {
  const config = JSON.parse(chosen) as StorePlace;
  const store = await openPlace(config);
  const order = JSON.parse(given) as HistoryOrder & WriteOrder;
  try {
    if (what === 'count') await history(store, order, count);
    else if (what === 'transfer') await history(store, order, transfer);
    else if (what === 'lock') await history(store, order, lock);
    else if (what === 'write') await write(store, order);
    else if (what === 'watch') await watch(store);
    else if (what === 'fill' && config.adapter === 'file') await fill(store, config.folder);
    else await store.write({ key: 'a', value: new Uint8Array(1) });
    await store.close();
    say('end');
  } catch (error) {
    say(`${MicroError.from(error).code} ${MicroError.from(error).detail}`);
  }
  // The channel to whoever started this would keep it.
  process.disconnect?.();
}

void main();
