import { openNats, type NatsClient } from '@micro/nats';
import { haveTool, natsTool, type NatsServers, startNats, until } from '@micro/testing';
import { headers } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { JetstreamEvents } from './jetstream.js';

/** What somebody with the `nats` tool does to what JetStream keeps of events: stores what is none of ours, removes what is. */
describe.skipIf(!haveTool(natsTool))('others in JetStream', { timeout: 60_000 }, () => {
  let servers: NatsServers;
  let nats: NatsClient;
  let opened: JetstreamEvents[] = [];
  let namespace = '';
  let tests = 0;
  beforeAll(async () => {
    servers = await startNats();
    nats = await openNats({ servers: servers.addresses, id: 'other', warn: () => undefined });
  }, 60_000);
  beforeEach(() => {
    namespace = `n${++tests}`;
  });
  afterEach(async () => {
    await Promise.all(opened.map((events) => events.close()));
    opened = [];
  });
  afterAll(async () => {
    await nats.close();
    await servers[Symbol.asyncDispose]();
  });

  async function open(): Promise<JetstreamEvents> {
    const events = await JetstreamEvents.open({ servers: servers.addresses, warn: () => undefined });
    opened.push(events);
    return events;
  }

  /** Acknowledges what comes, and remembers it. */
  async function working(events: JetstreamEvents, stream = 'orders'): Promise<string[]> {
    const seen: string[] = [];
    const consumer = await events.consume(stream, { group: 'g', namespace });
    const work = async () => {
      for await (const { event, ack } of consumer) {
        seen.push(Buffer.from(event.body).toString());
        await ack().catch(() => undefined);
      }
    };
    work().catch((error: unknown) => seen.push(String(error)));
    return seen;
  }

  async function publish(events: JetstreamEvents, ...texts: string[]): Promise<void> {
    for (const text of texts) await events.publish('orders', { body: Buffer.from(text) }, { namespace });
  }

  /** JetStream has it. */
  async function store(subject: string, data: string | Uint8Array, id?: string): Promise<void> {
    const known = headers();
    if (id !== undefined) known.set('Nats-Msg-Id', id);
    const answer = await nats.connection.request(subject, data, { headers: known, timeout: 5_000 });
    expect(answer.json()).toMatchObject({ seq: expect.any(Number) });
  }

  const remove = async (stream: string) =>
    expect((await nats.connection.request(`$JS.API.STREAM.DELETE.${stream}`)).json()).toMatchObject({ success: true });

  it.each([
    'not JSON',
    'null',
    '5',
    '{}',
    '{"v":1,"acts":[{"do":"dance"}]}',
    '{"v":1,"acts":5}',
    '{"v":1,"acts":[null]}',
  ])('a group goes on behind what is no entry of its journal: %s', async (foreign) => {
    const events = await open();
    const seen = await working(events);
    await publish(events, 'a');
    await until('it is consumed', () => seen.length === 1);
    await store(`micro.events.group.${namespace}.orders.g.acts`, foreign);
    await store(`micro.events.group.${namespace}.orders.g.state`, foreign);
    await publish(events, 'b');
    await until('it is consumed', () => seen.length >= 2);
    expect(seen).toEqual(['a', 'b']);
    const other = await open();
    const later = await working(other);
    await events.close();
    await publish(other, 'c');
    await until('it is consumed', () => later.length >= 1);
    expect(later).toEqual(['c']);
    expect(await other.streams({ namespace })).toMatchObject([{ groups: [{ group: 'g', pending: 0 }] }]);
  });

  it('a stream is read, consumed and kept in bounds whatever somebody else has stored in it', async () => {
    const events = await open();
    const seen = await working(events);
    await publish(events, 'a');
    await store(`micro.events.kept.${namespace}.orders._x`, 'foreign', '100%');
    await publish(events, 'b');
    await until('they are consumed', () => seen.length >= 3);
    expect(seen).toEqual(['a', 'foreign', 'b']);
    expect(await events.read('orders', { namespace })).toMatchObject([{ offset: 1n }, { id: '100%' }, { offset: 3n }]);
    const [info] = await events.streams({ namespace });
    expect(info).toMatchObject({ events: 3, bytes: expect.any(Number) });
    expect(info?.bytes).not.toBeNaN();
  });

  it('dead letters are found whatever somebody else has stored among them', async () => {
    const events = await open();
    await publish(events, 'a');
    for await (const { reject } of await events.consume('orders', { group: 'g', namespace })) {
      await reject('no');
      break;
    }
    const place = `micro.events.dead.${namespace}.orders.g`;
    await store(`${place}.x`, 'foreign');
    await store(`${place}.7`, 'foreign');
    expect(await events.deadLetters('orders', { namespace })).toMatchObject([{ event: { offset: 1n }, reason: 'no' }]);
    expect(await events.replay('orders', { group: 'g', namespace })).toBe(1);
    expect(await events.streams({ namespace })).toMatchObject([{ groups: [{ pending: 1 }] }]);
  });

  it('a group whose journal is removed under its consumers begins anew', async () => {
    const events = await open();
    const seen = await working(events);
    await publish(events, 'a', 'b');
    await until('they are consumed', () => seen.length === 2);
    await remove(`MICRO_EVENT_GROUP+${namespace}+orders+g`);
    await publish(events, 'c');
    await until('it has begun anew', () => seen.includes('c'), 30_000);
    expect(seen).toEqual(['a', 'b', 'a', 'b', 'c']);
    expect(await events.streams({ namespace })).toMatchObject([{ groups: [{ group: 'g', pending: 0 }] }]);
  });

  it('a stream that is removed, and made again by who publishes, is consumed and followed from its beginning', async () => {
    const events = await open();
    const seen = await working(events);
    const followed: string[] = [];
    const follow = async () => {
      for await (const { body } of events.follow('orders', { from: 'oldest', namespace }))
        followed.push(Buffer.from(body).toString());
    };
    void follow();
    await publish(events, 'a', 'b', 'c');
    await until('they are consumed', () => seen.length === 3 && followed.length === 3);
    await remove(`MICRO_EVENTS+${namespace}+orders`);
    const other = await open();
    await publish(other, 'd');
    await until('it is consumed', () => seen.includes('d') && followed.includes('d'), 30_000);
    await publish(other, 'e', 'f', 'g');
    await until('they are consumed', () => seen.includes('g') && followed.includes('g'), 30_000);
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    expect(followed).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  });

  it('all that is removed is made again', async () => {
    const [events, other] = [await open(), await open()];
    const seen = [await working(events), await working(other)];
    const all = () => seen.flat().sort();
    await publish(events, 'a', 'b', 'c');
    await until('they are consumed', () => all().length === 3);
    for (const name of [`MICRO_EVENTS+${namespace}+orders`, `MICRO_EVENT_GROUP+${namespace}+orders+g`])
      await remove(name);
    await publish(other, 'd', 'e');
    await until('they are consumed', () => all().includes('d') && all().includes('e'), 30_000);
    await publish(events, 'f', 'g', 'h', 'i');
    await until('they are consumed', () => all().includes('i') && all().includes('h'), 30_000);
    expect(new Set(all())).toEqual(new Set('abcdefghi'));
  });
});
