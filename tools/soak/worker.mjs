/**
 * A service of a user's, as `micro run` would start it: keeps using everything that a service may use, at an even pace, until SIGTERM. Tells each
 * second, as one line of JSON, what it has done and what went wrong since it began.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { blobs, call, close, open, stream, table, topic } from '@micro/service';

/** Rounds a second; each is about twenty calls. At first it is so many times that, for so many milliseconds. */
const [rate = 20, times = 1, ms = 0] = process.argv.slice(2).map(Number);

await open({ name: 'soak' });
const done = new Map();
/** How often each. */
const failures = {};
let stopping = false;
process.once('SIGTERM', () => (stopping = true));

const accounts = table('soak-accounts');
const orders = table('soak-orders');
const levels = topic('soak.levels');
const placed = stream('soak.placed');
const failed = (what, error) => {
  const failure = `${what}: ${error?.message ?? error}`;
  if (!stopping) failures[failure] = (failures[failure] ?? 0) + 1;
};
const count = (what) => done.set(what, (done.get(what) ?? 0) + 1);
const attempt = async (what, work) => {
  try {
    await work();
    count(what);
  } catch (error) {
    failed(what, error);
  }
};

const ends = new AbortController();
const { signal } = ends;
const flows = [
  (async () => {
    for await (const _ of levels.subscribe({ signal })) count('message heard');
  })(),
  (async () => {
    for await (const _ of levels.subscribe({ queue: 'soak', signal })) count('message taken');
  })(),
  (async () => {
    for await (const _ of accounts.watch({ signal })) count('change seen');
  })(),
  placed.process({ group: 'soak', concurrency: 4, maxDeliveries: 2, backoff: 50, signal }, async ({ round }) => {
    if (round % 20 === 0) throw new Error('never right');
    count('event handled');
  }),
];
for (const flow of flows) flow.catch((error) => failed('flow', error));
const told = setInterval(() => console.log(JSON.stringify({ done: Object.fromEntries(done), failures })), 1_000);

const content = Buffer.alloc(256 * 1024, 'soak');
const began = Date.now();
for (let round = 1; !stopping; round++) {
  const next = sleep(1_000 / rate / (Date.now() - began < ms ? times : 1));
  const key = `${round % 100}`;
  await Promise.all([
    attempt('call', () => call('helloworld', 'Helloworld.Call', { name: `round ${round}` })),
    attempt('update', () => accounts.update(key, (value) => ({ total: (value?.total ?? 0) + 1 }))),
    attempt('write, read and delete', async () => {
      await orders.write(`order-${round}`, { item: 'tea', round }, { ttl: 60_000 });
      const read = await orders.read(`order-${round}`);
      if (read?.value.round !== round) throw new Error(`read ${JSON.stringify(read)}`);
      if (round % 2 === 0) await orders.delete(`order-${round}`);
    }),
    attempt('list', async () => {
      for await (const _ of accounts.list({ prefix: '1' }));
    }),
    attempt('publish', () => levels.publish({ round })),
    attempt('event published', () => placed.publish({ round }, { id: `soak-${round}` })),
    round % rate === 0 &&
      attempt('blob', async () => {
        await blobs.write(`soak/${key}`, [content]);
        let size = 0;
        for await (const part of (await blobs.read(`soak/${key}`)).content) size += part.length;
        if (size !== content.length) throw new Error(`${size} bytes of the blob`);
        await blobs.delete(`soak/${key}`);
      }),
    // Flows that begin and end.
    round % rate === 0 &&
      attempt('subscribed anew', async () => {
        const subscription = levels.subscribe();
        await subscription.ready;
        await subscription.close();
      }),
    next,
  ]);
}
clearInterval(told);
ends.abort();
await Promise.allSettled(flows);
await close();
