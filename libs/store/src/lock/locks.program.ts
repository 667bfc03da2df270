/** For specs: a process of its own that wants a lock. Arguments: what to do, the configuration of locks, and how as JSON. What it did it says a line each. */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { openStore } from '../open.js';
import type { Store } from '../store.js';
import { fenced } from './fence.js';
import type { Lock, Locks } from './locks.js';
import { openLocks, type LocksConfig } from './open.js';

export interface ContendOrder {
  readonly name: string;
  /** Numbers of the clients in this process; they work side by side. */
  readonly clients: readonly number[];
  readonly ttl: number;
}

export interface WorkOrder {
  readonly name: string;
  readonly ttl: number;
  /** Of a file store, in which there is a counter. */
  readonly folder: string;
}

/** What a client did. Tokens as text: of an acquisition that was refused, and of a lock that is lost, `0`; undefined: nobody knows. */
export interface Did {
  readonly client: number;
  readonly type: 'acquire' | 'hold' | 'release';
  readonly token: string;
  readonly output: string | undefined;
  readonly called: string;
  readonly returned: string;
}

const [, , what = '', config = '{}', given = '{}'] = process.argv;
let ending = false;

/** At once, so that a process that is killed has said what it did. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Wants the lock again and again, and has it for a while each time, until SIGTERM. */
async function contend(locks: Locks, { name, ttl }: ContendOrder, client: number): Promise<void> {
  const recorded = async (type: Did['type'], token: bigint, work: () => Promise<bigint | undefined>) => {
    const called = process.hrtime.bigint();
    const output = await work();
    const returned = String(process.hrtime.bigint());
    const did: Did = {
      client,
      type,
      token: String(token),
      output: output?.toString(),
      called: String(called),
      returned,
    };
    say(`did ${JSON.stringify(did)}`);
    return output;
  };
  while (!ending) {
    let lock: Lock | undefined;
    const wait = Math.random() < 0.2 ? 0 : 5_000;
    await recorded('acquire', 0n, async () => {
      lock = await locks.acquire(name, { ttl, wait }).catch((error: unknown) => {
        const { code } = MicroError.from(error);
        if (code === 'aborted' || code === 'unavailable' || code === 'deadline_exceeded') return undefined;
        throw error;
      });
      return lock?.token ?? 0n;
    });
    if (!lock) {
      await sleep(20);
      continue;
    }
    const { token } = lock;
    for (let looks = Math.ceil(Math.random() * 4), held = true; looks > 0 && held; looks--) {
      await sleep(Math.random() * 30);
      held = (await recorded('hold', token, async () => (lock?.held ? token : 0n))) === token;
    }
    await recorded('release', token, () =>
      (lock as Lock).release().then(
        () => token,
        () => undefined,
      ),
    );
  }
}

/** Adds to the counter, which it reads and writes without a condition: the lock alone, and its fence, keep others away. */
async function work(locks: Locks, store: Store, { name, ttl }: WorkOrder): Promise<void> {
  const lock = await locks.acquire(name, { ttl });
  say(`has ${lock.token}`);
  const count = await begin(store, lock);
  say(`read ${count}`);
  if (what === 'stop') process.kill(process.pid, 'SIGSTOP');
  const told = new Promise<void>((resolve) => lock.signal.addEventListener('abort', () => resolve(), { once: true }));
  say(await outcome(finish(store, lock, count)));
  if (what !== 'stop') return lock.release();
  // As if it had not found out.
  say(
    await outcome(finish(store, { name, token: lock.token, held: true, signal: new AbortController().signal }, count)),
  );
  await told;
  say(`told ${MicroError.from(lock.signal.reason).code}`);
}

async function begin(store: Store, lock: Lock): Promise<number> {
  await fenced(store, { key: 'fence', lock });
  const { value } = await store.read('counter');
  return Number(Buffer.from(value).toString());
}

async function finish(store: Store, lock: Pick<Lock, 'name' | 'token' | 'held' | 'signal'>, count: number) {
  const record = { key: 'counter', value: Buffer.from(`${count + 1}`) };
  await fenced(store, { key: 'fence', lock }, [{ type: 'write', record }]);
}

async function outcome(done: Promise<unknown>): Promise<string> {
  return done.then(
    () => 'wrote',
    (error: unknown) => `refused ${MicroError.from(error).code}`,
  );
}

async function main(): Promise<void> {
  process.on('SIGTERM', () => (ending = true));
  const locks = await openLocks(JSON.parse(config) as LocksConfig);
  const order = JSON.parse(given) as ContendOrder & WorkOrder;
  if (what === 'contend') await Promise.all(order.clients.map((client) => contend(locks, order, client)));
  else {
    const store = await openStore({ adapter: 'file', folder: order.folder });
    await work(locks, store, order);
    await store.close();
  }
  await locks.close();
  say('end');
  // The channel to whoever started this would keep it.
  process.disconnect?.();
}

main().catch((error: unknown) => say(`failed ${(error as Error).stack}`));
