/**
 * A service of a user's that uses, at an even pace, all that a platform has for it, and says of each use what came of it. What fails it tries
 * again, until it is acknowledged.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { call, MicroError, open, stream, table, topic } from '@micro/service';

/** A line of JSON on standard output. Numbers are 0, 1, 2 … of each use. */
export type Said =
  { readonly did: Use; readonly number: number } | Failed | { readonly got: Flow; readonly number: number };

export interface Failed {
  readonly failed: Use;
  readonly code: string;
  readonly detail: string;
  readonly ms: number;
}

export type Use = 'call' | 'message' | 'event' | 'record';
export type Flow = 'message' | 'handled event' | 'followed event' | 'record';

interface Numbered {
  readonly number: number;
}

/** Milliseconds between two uses. */
const pace = 50;

const messages = topic<Numbered>('messages');
const events = stream<Numbered>('events');
const records = table<Numbered>('records');

const uses: Readonly<Record<Use, (number: number) => Promise<unknown>>> = {
  call: (number) => call('helloworld', 'Helloworld.Call', { name: `${number}` }),
  message: (number) => messages.publish({ number }),
  event: (number) => events.publish({ number }, { id: `${number}` }),
  record: (number) => records.write(`${number}`, { number }),
};

async function use(what: Use): Promise<never> {
  for (let number = 0; ; await sleep(pace)) {
    const began = performance.now();
    try {
      await uses[what](number);
      say({ did: what, number });
      number++;
    } catch (error) {
      const { code, detail } = MicroError.from(error);
      say({ failed: what, code, detail, ms: Math.round(performance.now() - began) });
    }
  }
}

const flows: readonly (() => Promise<void>)[] = [
  async () => {
    for await (const { value } of messages.subscribe()) say({ got: 'message', ...value });
  },
  // What cannot be acknowledged comes again soon.
  () =>
    events.process({ group: 'workers', ackWait: 5_000, maxDeliveries: 100 }, (value) =>
      say({ got: 'handled event', ...value }),
    ),
  async () => {
    for await (const { value } of events.follow({ from: 'oldest' })) say({ got: 'followed event', ...value });
  },
  async () => {
    for await (const event of records.watch())
      if (event.type === 'written') say({ got: 'record', ...event.record.value });
  },
];

function say(said: Said): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

async function work(): Promise<void> {
  await open({ name: 'worker' });
  // One that ends, though nobody ended it, ends the program.
  await Promise.race([...flows.map((flow) => flow()), ...(Object.keys(uses) as Use[]).map(use)]);
  throw new Error('a flow has ended');
}
void work();
