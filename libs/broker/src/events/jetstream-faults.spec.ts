import { openNats } from '@micro/nats';
import { haveTool, link, natsTool, type NatsServers, startNats, until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import type { Event, Events } from './events.js';
import { JetstreamEvents, type JetstreamOptions } from './jetstream.js';
import { JetstreamServer } from './jetstream-server.js';
import { firsts, type Load, underLoad } from './jetstream-load.fixture.js';
import { RemoteEvents } from './remote.js';
import { serveEvents } from './served-events.fixture.js';

const timeout = 180_000;
const namespace = 'faults';
let servers: NatsServers | undefined;
let opened: Events[] = [];

afterEach(async () => {
  await Promise.all(opened.map((events) => events.close()));
  opened = [];
  await servers?.[Symbol.asyncDispose]();
  servers = undefined;
}, 60_000);

async function start(options: Parameters<typeof startNats>[0] = {}): Promise<NatsServers> {
  servers = await startNats({ config: 'max_payload: 2MB', ...options });
  return servers;
}

async function open(options: Partial<JetstreamOptions> = {}): Promise<JetstreamEvents> {
  const events = await JetstreamEvents.open({ servers: servers?.addresses ?? [], warn: () => undefined, ...options });
  opened.push(events);
  return events;
}

async function all(events: Events): Promise<Event[]> {
  const found: Event[] = [];
  for (;;) {
    const page = await events.read('orders', { from: { offset: (found.at(-1)?.offset ?? 0n) + 1n }, namespace });
    if (page.length === 0) return found;
    found.push(...page);
  }
}

/**
 * Nothing acknowledged is lost or kept twice, and everyone has it in order. With one event in hands that is so whatever happens; with several, what was given
 * out and not received before its time was over, because a server stood still for so long, comes again in between.
 */
async function checkAll(events: Events, load: Load, { inFlight = 64 } = {}): Promise<void> {
  await load.finish();
  const numbers = Array.from({ length: load.kept.size }, (_, index) => index + 1);
  const found = await all(events);
  expect(found.map(({ body }) => Number(Buffer.from(body).toString()))).toEqual(numbers);
  expect(found.map(({ offset }) => offset)).toEqual([...load.kept.values()]);
  expect(load.followed).toEqual(numbers);
  expect(firsts(load.fresh)).toEqual([...load.fresh].sort((one, other) => one - other));
  const consumed = firsts(load.consumed);
  expect(inFlight === 1 ? consumed : consumed.sort((one, other) => one - other)).toEqual(numbers);
}

describe.skipIf(!haveTool(natsTool))('a server', { timeout }, () => {
  const faults = {
    'is stopped and started again': ['stop', 'start'],
    'is killed and started again': ['kill', 'start'],
    'answers nothing for a while': ['pause', 'resume'],
  } as const;
  for (const [name, [away, back]] of Object.entries(faults)) {
    it(`that ${name} costs nothing that was acknowledged`, async () => {
      const { members, addresses } = await start();
      const [member] = members;
      const events = await open();
      const quiet = await events.consume('quiet', { group: 'q', namespace });
      const next = quiet[Symbol.asyncIterator]().next();
      await using load = underLoad(events, { namespace });
      await load.more(200);
      await member?.[away]();
      const before = load.failures.length;
      const refusal = { code: 'unavailable', detail: expect.stringContaining(addresses[0] ?? '') };
      // One that is paused may still answer what it has begun with.
      await until('reading is refused', async () => !(await events.read('orders', { namespace }).catch(() => false)));
      await expect(events.read('orders', { namespace })).rejects.toMatchObject(refusal);
      await expect(events.streams({ namespace })).rejects.toMatchObject(refusal);
      await expect(events.consume('orders', { group: 'other', namespace })).rejects.toMatchObject(refusal);
      await until('the publisher is told', () => load.failures.length > before, 30_000);
      expect(load.failures.at(-1)).toMatchObject(refusal);
      await member?.[back]();
      await load.more(200);
      await checkAll(events, load);
      await events.publish('quiet', {}, { namespace });
      expect((await next).value?.event.offset).toBe(1n);
    });
  }

  it('that is away when somebody begins to listen is not listened to once it is back', async () => {
    const { members, addresses } = await start();
    const nats = await openNats({ servers: addresses, id: 'broker', warn: () => undefined });
    try {
      const server = new JetstreamServer(nats, { address: addresses.join(), replicas: 1 });
      let heard = 0;
      await members[0]?.stop();
      await until('it is noticed', () => !nats.isConnected);
      await expect(server.listen('news', () => heard++)).rejects.toMatchObject({ code: 'unavailable' });
      await members[0]?.start();
      await until('it is back', () => nats.isConnected);
      const silence = await server.listen('news.more', () => heard++);
      for (const subject of ['news', 'news.more']) nats.connection.publish(subject);
      await until('one is heard', () => heard > 0);
      silence();
      expect(heard).toBe(1);
    } finally {
      await nats.close();
    }
  });

  it('that has kept a nack and could not say so does not take it for an acknowledgement', async () => {
    const { addresses } = await start();
    const way = await link(addresses[0] ?? '');
    try {
      const events = await open({ servers: [way.address] });
      await events.publish('orders', {}, { namespace });
      const consumer = await events.consume('orders', { group: 'g', namespace });
      const { value: delivery } = await consumer[Symbol.asyncIterator]().next();
      way.deafen();
      await expect(delivery?.nack()).rejects.toMatchObject({ code: 'unavailable' });
      way.mend();
      const said = () => delivery?.ack().then(String, ({ code }: { code: string }) => code !== 'unavailable' && code);
      expect(await until('it is answered', said, 30_000)).toBe('aborted');
    } finally {
      await way.end();
    }
  });

  it('that is full says so, and is read from as before', async () => {
    await start({ jetstream: 'max_file_store: 20MB' });
    const events = await open();
    await events.publish('letters', {}, { namespace });
    const terms = { group: 'g', ackWait: 100, maxDeliveries: 1, namespace };
    const consumer = await events.consume('letters', terms);
    await consumer[Symbol.asyncIterator]().next();
    const given = performance.now();
    const body = new Uint8Array(500_000);
    let count = 0;
    const fill = async () => {
      for (;;) {
        await events.publish('orders', { body }, { namespace });
        count++;
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 'resource_exhausted', detail: expect.stringContaining('room') });
    expect(count).toBeGreaterThan(10);
    expect(await all(events)).toHaveLength(count);
    await until('its time is over', () => performance.now() > given + 2 * terms.ackWait);
    expect(await events.streams({ namespace })).toMatchObject([{ stream: 'letters' }, { events: count }]);
    expect(await events.deadLetters('letters', { namespace })).toEqual([]);
    expect(await events.drop('letters', { group: 'g', namespace })).toBe(0);
  });

  it('that is not set up for events is refused, saying what to set', async () => {
    await start();
    const alone = await open({ replicas: 3 });
    const refusal = (word: string) => ({ code: 'failed_precondition', detail: expect.stringContaining(word) });
    await expect(alone.publish('orders', {}, { namespace })).rejects.toMatchObject(refusal('MICRO_NATS_REPLICAS'));
    await servers?.[Symbol.asyncDispose]();
    await start({ config: 'accounts { A { users: [{ user: a, password: b }] } }\nno_auth_user: a' });
    const without = await open();
    await expect(without.publish('orders', {}, { namespace })).rejects.toMatchObject(refusal('jetstream'));
    await servers?.[Symbol.asyncDispose]();
    await start({ config: '' });
    const small = await open();
    const large = { body: new Uint8Array(1024 * 1024), headers: { a: 'x' } };
    await expect(small.publish('orders', large, { namespace })).rejects.toMatchObject(refusal('max_payload'));
    await expect(small.publish('orders', {}, { namespace })).resolves.toMatchObject({ offset: 1n });
  });
});

describe.skipIf(!haveTool(natsTool))('a cluster of three', { timeout }, () => {
  /** Which member leads a stream that begins so. */
  const leaderOf = async (kind: string): Promise<number> => {
    const nats = await openNats({ servers: servers?.addresses ?? [], id: 'broker', warn: () => undefined });
    try {
      const list = await nats.connection.request('$JS.API.STREAM.LIST', '{}', { timeout: 5_000 });
      const { streams } = list.json<{ streams: { config: { name: string }; cluster: { leader: string } }[] }>();
      const found = streams.find(({ config }) => config.name.startsWith(kind));
      return Number(found?.cluster.leader.replace('nats', ''));
    } finally {
      await nats.close();
    }
  };

  for (const inFlight of [64, 1]) {
    it(`loses nothing when its members are killed, one after the other, with ${inFlight} in flight`, async () => {
      const { members } = await start({ members: 3 });
      const events = await open({ replicas: 3 });
      await using load = underLoad(events, { namespace, inFlight });
      await load.more(100);
      for (const kind of ['MICRO_EVENTS', 'MICRO_EVENT_GROUP', undefined]) {
        const index = kind ? await until('it has a leader', () => leaderOf(kind), 30_000) : 0;
        await members[index]?.kill();
        await load.more(100);
        await members[index]?.start();
        await load.more(20);
      }
      await checkAll(events, load, { inFlight });
    });
  }

  it('without most of its members says so before the deadline of a call, and goes on when they are back', async () => {
    const { members, addresses } = await start({ members: 3 });
    const served = await serveEvents(await open({ replicas: 3 }));
    const events = new RemoteEvents(served.client);
    try {
      await using load = underLoad(events, { namespace });
      await until('the group has begun', () => load.consumed.length > 0, 30_000);
      await Promise.all(members.slice(1).map((member) => member.kill()));
      await until('publishing has failed twice', () => load.failures.length >= 2, 60_000);
      for (const failure of load.failures)
        expect(failure).toMatchObject({
          code: 'unavailable',
          detail: expect.stringMatching(new RegExp(`^(NATS|JetStream) at ${addresses.join(', ')} `)) as string,
        });
      await Promise.all(members.slice(1).map((member) => member.start()));
      await load.more(100);
      await load.finish();
    } finally {
      await events.close();
      await served.close();
    }
  });

  // Of one that leads, and is suspended, nats-server 2.9.10 itself loses what it has acknowledged, also to its bare client.
  it('loses nothing when a member that leads nothing answers nothing for a while, and then knows less', async () => {
    const { members } = await start({ members: 3 });
    const events = await open({ replicas: 3 });
    await using load = underLoad(events, { namespace });
    await load.more(100);
    for (let round = 0; round < 3; round++) {
      const kinds = ['MICRO_EVENTS', 'MICRO_EVENT_GROUP'];
      const leaders = await until('they have leaders', () => Promise.all(kinds.map(leaderOf)), 30_000);
      const index = members.findIndex((_, number) => !leaders.includes(number));
      members[index]?.pause();
      await load.more(100);
      members[index]?.resume();
      await load.more(100);
    }
    await checkAll(events, load);
  });
});
