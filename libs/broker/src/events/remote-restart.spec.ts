import { temporaryFolder, until } from '@micro/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { collecting, given, numbered, text } from './contract/taking.fixture.js';
import { LogEvents } from './log.js';
import { RemoteEvents } from './remote.js';
import { serveEvents, type ServedEvents } from './served-events.fixture.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let served: ServedEvents;
let events: RemoteEvents;

beforeEach(async () => {
  folder = await temporaryFolder();
  served = await serveEvents(new LogEvents({ folder: folder.path }));
  events = new RemoteEvents(served.client);
});
afterEach(async () => {
  await events.close();
  await served.close();
  await folder[Symbol.asyncDispose]();
});

const publish = async (...texts: readonly string[]) => {
  for (const body of texts) await events.publish('orders', { body: Buffer.from(body) });
};

it('a follower neither misses nor repeats anything through restarts of its server', { timeout: 60_000 }, async () => {
  await publish('old');
  const all = collecting(events.follow('orders', { from: 'oldest' }));
  await until('the follower is in force', () => all.items.length === 1);
  for (let round = 0; round < 3; round++) {
    const publishing = publish(...numbered(20, round * 20 + 1));
    await served.restart();
    await publishing;
  }
  await until('all came', () => all.items.length >= 61, 30_000);
  expect(all.items.map(text)).toEqual(['old', ...numbered(60)]);
});

it(
  'a follower of what is new does not miss what came while its server was away, though nothing had come before',
  { timeout: 60_000 },
  async () => {
    await publish('old');
    const got = collecting(events.follow('orders'));
    // In force when it has asked: the server has counted it by the time that it answers a later call on the same stream.
    const probe = collecting(events.follow('orders', { from: 'oldest' }));
    await until('followers are in force', () => probe.items.length === 1);
    await served.restart();
    await publish(...numbered(5));
    await until('all came', () => got.items.length >= 5, 30_000);
    expect(got.items.map(text)).toEqual(numbered(5));
  },
);

it('a consumer goes on through restarts of its server, and gets each event', { timeout: 60_000 }, async () => {
  const consumer = await events.consume('orders', { group: 'g', backoff: 0 });
  const acked: string[] = [];
  const working = (async () => {
    for await (const { event, ack } of consumer) {
      await ack().then(
        () => acked.push(text(event)),
        (error: { readonly code: string }) => expect(error.code).toBe('aborted'),
      );
    }
  })();
  for (let round = 0; round < 3; round++) {
    const publishing = publish(...numbered(20, round * 20 + 1));
    await served.restart();
    await publishing;
  }
  await until('all is settled', async () => (await events.streams())[0]?.groups[0]?.pending === 0, 30_000);
  await consumer.close();
  await working;
  expect(await events.deadLetters('orders')).toEqual([]);
  // An acknowledgement whose answer is lost may have been kept: the others are here, each once.
  expect(acked.length).toBeGreaterThan(50);
  expect(new Set(acked).size).toBe(acked.length);
});

it('what came before a restart cannot be settled after it: it is given out again', { timeout: 60_000 }, async () => {
  await publish('a', 'b');
  const consumer = await events.consume('orders', { group: 'g' });
  const first = await given(consumer);
  await served.restart();
  const again = await given(consumer);
  expect([again.text, again.attempt]).toEqual(['a', 2]);
  await expect(first.ack()).rejects.toMatchObject({ code: 'aborted' });
  await again.ack();
  expect((await given(consumer)).text).toBe('b');
});

it('what a consumer held that is lost goes to others at once, and counts as failed', { timeout: 60_000 }, async () => {
  await publish('a', 'b');
  const client = served.another();
  const lost = new RemoteEvents(client);
  const options = { group: 'g', ackWait: 600_000 };
  await given(await lost.consume('orders', options));
  await given(await lost.consume('orders', { ...options, maxDeliveries: 1 }));
  const waiting = given(await events.consume('orders', { group: 'g' }));
  await client.close();
  const again = await waiting;
  expect([again.text, again.attempt]).toEqual(['a', 2]);
  await until('the other is dead', async () => (await events.deadLetters('orders')).length === 1);
  expect(await events.deadLetters('orders')).toMatchObject([
    { event: { offset: 2n }, attempts: 1, reason: 'its consumer was lost' },
  ]);
});

it('an event that is published while the server is away is kept once it is back', { timeout: 60_000 }, async () => {
  await publish('a');
  const stopped = served.stop();
  const publishing = publish('b');
  await stopped;
  await served.restart();
  await publishing;
  expect((await events.read('orders')).map(text)).toEqual(['a', 'b']);
});

it('events that cannot be reached are unavailable', { timeout: 60_000 }, async () => {
  await served.stop();
  const unreachable = { code: 'unavailable' };
  await expect(events.read('orders')).rejects.toMatchObject(unreachable);
  await expect(events.consume('orders', { group: 'g' })).rejects.toMatchObject(unreachable);
  await expect(collecting(events.follow('orders')).ended).rejects.toMatchObject(unreachable);
  await expect(events.publish('orders', {})).rejects.toMatchObject(unreachable);
});
