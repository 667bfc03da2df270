import { randomUUID } from 'node:crypto';
import { openNats } from '@micro/nats';
import { haveTool, natsTool, type NatsServers, startNats, until } from '@micro/testing';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Event, type Retention } from './events.js';
import { JetstreamEvents } from './jetstream.js';
import { JetstreamDead } from './jetstream-dead.js';
import { JetstreamServer } from './jetstream-server.js';
import { deadPlace, eventsPlace, letterSubject } from './jetstream-names.js';
import { sizeOf } from './validation.js';

describe.skipIf(!haveTool(natsTool))('a stream of JetStream', { timeout: 60_000 }, () => {
  let nats: NatsServers;
  let opened: JetstreamEvents[] = [];
  beforeAll(async () => {
    nats = await startNats({ config: 'max_payload: 2MB' });
  }, 60_000);
  afterEach(async () => {
    await Promise.all(opened.map((events) => events.close()));
    opened = [];
  });
  afterAll(() => nats[Symbol.asyncDispose]());

  const open = async (retention?: Retention) => {
    const events = await JetstreamEvents.open({ servers: nats.addresses, retention });
    opened.push(events);
    return events;
  };

  it('knows the bytes of its bodies and headers, whatever they and the ids are', async () => {
    const events = await open();
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,40}$/);
    const value = fc.string({ unit: 'grapheme', maxLength: 100 }).filter((text) => !/\p{Cc}|\p{Cs}/u.test(text));
    const event = fc.record({
      id: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((id) => Buffer.byteLength(id) <= 200),
      headers: fc.dictionary(name, value, { maxKeys: 8 }),
      body: fc.uint8Array({ maxLength: 3_000 }),
    });
    const many = fc.uniqueArray(event, { minLength: 1, maxLength: 20, selector: ({ id }) => id });
    await fc.assert(
      fc.asyncProperty(many, async (published) => {
        const namespace = randomUUID();
        for (const one of published) await events.publish('orders', one, { namespace });
        const found = await events.read('orders', { namespace });
        expect(found.map(({ id, headers, body }) => ({ id, headers, body }))).toEqual(published);
        const bytes = found.reduce((sum, one: Event) => sum + sizeOf(one), 0);
        expect(await events.streams({ namespace })).toMatchObject([{ bytes, events: published.length }]);
      }),
      { numRuns: 30 },
    );
  });

  it('is told from others whose names are like its own, and may have the longest', async () => {
    const events = await open();
    const longest = (letter: string, length: number) =>
      `${letter}${'.-_'.repeat(length)}`.slice(0, length - 1) + letter;
    const names = [
      ['a', 'b.c'],
      ['a.b', 'c'],
      ['a', 'b'],
      ['A', 'b.c'],
      ['a', 'b_c'],
      [longest('n', 100), longest('s', 200)],
      [longest('n', 100), longest('t', 200)],
    ] as const;
    const group = longest('g', 200);
    for (const [namespace, stream] of names) {
      await events.publish(stream, { body: Buffer.from(`${namespace}/${stream}`) }, { namespace });
      for await (const { reject } of await events.consume(stream, { group, namespace })) {
        await reject('no');
        break;
      }
    }
    for (const [namespace, stream] of names) {
      const found = await events.read(stream, { namespace });
      expect(found.map(({ body }) => Buffer.from(body).toString())).toEqual([`${namespace}/${stream}`]);
      const infos = await events.streams({ namespace });
      expect(infos.map((info) => info.stream)).toEqual(
        names
          .filter(([of]) => of === namespace)
          .map(([, name]) => name)
          .sort(),
      );
      expect(infos.map(({ groups }) => groups)).toEqual(infos.map(() => [{ group, pending: 0, deadLetters: 1 }]));
      expect(await events.deadLetters(stream, { namespace })).toMatchObject([{ group, event: { stream } }]);
    }
  });

  it('takes no harm from what others say where its news are told', async () => {
    const events = await open();
    const namespace = 'foreign';
    const following = events.follow('orders', { from: 'oldest', namespace })[Symbol.asyncIterator]();
    await events.publish('orders', {}, { namespace });
    expect((await following.next()).value).toMatchObject({ offset: 1n });
    const other = await openNats({ servers: nats.addresses, id: 'other', warn: () => undefined });
    const live = eventsPlace(namespace, 'orders').live.replace('>', 'x');
    // Some of it while what is read is on its way.
    const talking = setInterval(() => other.connection.publish(live, 'hello'));
    try {
      for (let round = 0; round < 100; round++) expect(await events.read('orders', { namespace })).toHaveLength(1);
    } finally {
      clearInterval(talking);
      await other.close();
    }
    await events.publish('orders', {}, { namespace });
    expect((await following.next()).value).toMatchObject({ offset: 2n });
    await following.return?.();
  });

  it('holds no more than it may, whoever publishes', async () => {
    const namespace = 'trimmed';
    const bytes = 100_000;
    const publishers = [await open({ age: 1e9, bytes }), await open({ age: 1e9, bytes })];
    const body = new Uint8Array(1_000);
    for (let round = 0; round < 20; round++) {
      const both = publishers.flatMap((events) =>
        Array.from({ length: 20 }, () => events.publish('orders', { body }, { namespace })),
      );
      await Promise.all(both);
    }
    const info = async () => (await publishers[0]?.streams({ namespace }))?.[0];
    await until('it is trimmed', async () => (await info())?.bytes === bytes);
    expect(await info()).toMatchObject({ events: 100, oldest: 701n, newest: 800n });
  });

  it('is found by time, and read to its end, where somebody has removed some of it', async () => {
    const events = await open();
    const namespace = 'gaps';
    for (let n = 1; n <= 9; n++) await events.publish('orders', {}, { namespace });
    const other = await openNats({ servers: nats.addresses, id: 'other', warn: () => undefined });
    const remove = async (seq: number) => {
      const subject = `$JS.API.STREAM.MSG.DELETE.${eventsPlace(namespace, 'orders').name}`;
      expect((await other.connection.request(subject, JSON.stringify({ seq }))).json()).toMatchObject({
        success: true,
      });
    };
    try {
      const [, second] = await events.read('orders', { namespace });
      for (const seq of [3, 4, 5, 6, 7, 9]) await remove(seq);
      const from = { time: second?.publishedAt ?? 0 };
      const found = (await events.read('orders', { namespace, from })).map(({ offset }) => offset);
      expect(found.slice(-2)).toEqual([2n, 8n]);
    } finally {
      await other.close();
    }
  });

  it('takes no event whose dead letter would be too large for a message', async () => {
    await using small = await startNats();
    const events = await JetstreamEvents.open({ servers: small.addresses });
    try {
      const publish = (length: number) => events.publish('orders', { body: new Uint8Array(length) });
      for (let length = 1_048_576; ; length -= 256) {
        const isKept = await publish(length).then(
          () => true,
          () => false,
        );
        if (isKept) break;
      }
      const group = 'g'.repeat(200);
      for await (const { reject } of await events.consume('orders', { group })) {
        await reject('\u001b'.repeat(1_000));
        break;
      }
      expect(await events.deadLetters('orders')).toMatchObject([{ group, attempts: 1 }]);
      expect(await events.streams()).toMatchObject([{ groups: [{ deadLetters: 1 }] }]);
    } finally {
      await events.close();
    }
  });

  it('begins the time of a dead letter anew only while it is the one that was read', async () => {
    const client = await openNats({ servers: nats.addresses, id: 'broker' });
    try {
      const server = new JetstreamServer(client, { address: nats.addresses.join(), replicas: 1 });
      const dead = new JetstreamDead(server, { namespace: 'dead', name: 'orders', age: 1e9 });
      const [key, body] = [{ group: 'g', offset: 1 }, new Uint8Array()];
      const event = { stream: 'orders', offset: 1n, id: 'a', body, headers: {}, publishedAt: 1 };
      await dead.write({ event, group: 'g', attempts: 1, reason: '', diedAt: 1 }, 'death');
      const [kept] = await dead.all([key]);
      if (!kept) throw new Error('it is not there');
      expect(await dead.renew(kept, 'one')).toBe(true);
      expect(await dead.renew(kept, 'other')).toBe(false);
      await dead.remove(key);
      expect(await dead.renew(kept, 'third')).toBe(false);
      expect(await dead.keys()).toEqual([]);
    } finally {
      await client.close();
    }
  });

  it('drops any number of dead letters', async () => {
    const events = await open();
    const namespace = 'dropping';
    await events.publish('orders', {}, { namespace });
    for await (const { reject } of await events.consume('orders', { group: 'g', namespace })) {
      await reject('no');
      break;
    }
    const other = await openNats({ servers: nats.addresses, id: 'other', warn: () => undefined });
    const many = 20_000;
    for (let offset = 2; offset <= many; offset++)
      other.connection.publish(letterSubject(deadPlace(namespace, 'orders'), 'g', offset));
    await other.close();
    const count = async () => (await events.streams({ namespace }))[0]?.groups[0]?.deadLetters;
    await until('they are there', async () => (await count()) === many, 30_000);
    expect(await events.drop('orders', { group: 'g', offsets: [2n, 3n], namespace })).toBe(2);
    expect(await events.drop('orders', { group: 'g', namespace })).toBe(many - 2);
    expect(await count()).toBe(0);
  });

  it('settles many at once, whatever their reasons', async () => {
    const events = await open();
    const namespace = 'reasons';
    await Promise.all(Array.from({ length: 300 }, () => events.publish('orders', {}, { namespace })));
    const consumer = await events.consume('orders', { group: 'g', namespace, inFlight: 300 });
    const deliveries = consumer[Symbol.asyncIterator]();
    const taken = await Promise.all(Array.from({ length: 300 }, () => deliveries.next()));
    const reason = '\u001b'.repeat(1_000);
    await Promise.all(taken.map(({ value }) => value?.nack({ reason, delay: 1e9 })));
    expect(await events.streams({ namespace })).toMatchObject([{ groups: [{ pending: 300, deadLetters: 0 }] }]);
  });

  it('is kept as long as whoever used it last says', async () => {
    const namespace = 'changed';
    await (await open({ age: 1e9, bytes: 1e9 })).publish('orders', {}, { namespace });
    const shorter = await open({ age: 500, bytes: 1e9 });
    expect(await shorter.read('orders', { namespace })).toHaveLength(1);
    await shorter.publish('orders', {}, { namespace });
    await until('they are gone', async () => (await shorter.read('orders', { namespace })).length === 0);
  });
});
