import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openNats } from '@micro/nats';
import { haveTool, link, natsTool, type NatsServers, startNats, temporaryFolder, until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { entryVersion, packedEntry } from './jetstream-entries.js';
import { JetstreamEvents } from './jetstream.js';

const namespace = 'power';
const timeout = 60_000;
let server: NatsServers;
let saved: Awaited<ReturnType<typeof temporaryFolder>>;
let opened: JetstreamEvents[] = [];

beforeEach(async () => {
  server = await startNats();
  saved = await temporaryFolder();
}, timeout);
afterEach(async () => {
  await Promise.all(opened.map((events) => events.close()));
  opened = [];
  await server[Symbol.asyncDispose]();
  await saved[Symbol.asyncDispose]();
}, timeout);

async function open(servers = server.addresses): Promise<JetstreamEvents> {
  const events = await JetstreamEvents.open({ servers, warn: () => undefined });
  opened.push(events);
  return events;
}

/** Acknowledges what comes, and remembers it. */
async function working(events: JetstreamEvents): Promise<string[]> {
  const seen: string[] = [];
  const consumer = await events.consume('orders', { group: 'g', namespace });
  const work = async () => {
    for await (const { event, ack } of consumer) {
      seen.push(Buffer.from(event.body).toString());
      await ack().catch(() => undefined);
    }
  };
  work().catch(() => undefined);
  return seen;
}

async function publish(events: JetstreamEvents, ...texts: string[]): Promise<void> {
  for (const text of texts) await events.publish('orders', { body: Buffer.from(text) }, { namespace });
}

const offline = async (change: () => Promise<void>) => {
  await server.members[0]?.stop();
  await change();
  await server.members[0]?.start();
};
/** Files of streams whose names begin so. */
const files = (kind: string) => [server.folders[0] ?? '', 'jetstream', '$G', 'streams', `${kind}+power+orders`];

describe.skipIf(!haveTool(natsTool))('what a power cut took from JetStream', { timeout }, () => {
  const cuts = {
    events: ['MICRO_EVENTS'],
    'the journal': ['MICRO_EVENT_GROUP'],
    both: ['MICRO_EVENTS', 'MICRO_EVENT_GROUP'],
  };
  for (const [name, kinds] of Object.entries(cuts)) {
    it(`${name}: whoever was there, and who comes, goes on with what is published then`, async () => {
      const events = await open();
      const seen = await working(events);
      await publish(events, 'a', 'b');
      await until('they are consumed', () => seen.length === 2);
      const folder = (kind: string) => join(...files(kind)) + (kind === 'MICRO_EVENT_GROUP' ? '+g' : '');
      await offline(async () => {
        for (const kind of kinds) await cp(folder(kind), join(saved.path, kind), { recursive: true });
      });
      await publish(await open(), 'c', 'd', 'e');
      await until('they are consumed', () => seen.length === 5);
      await offline(async () => {
        for (const kind of kinds) {
          await rm(folder(kind), { recursive: true });
          await cp(join(saved.path, kind), folder(kind), { recursive: true });
        }
      });
      // It has found out: nothing that is published now is passed over.
      await until(
        'the group knows',
        async () => (await events.streams({ namespace }))[0]?.groups[0]?.pending === 0,
        30_000,
      );
      await publish(events, 'f', 'g');
      await until('they are consumed', () => seen.includes('f') && seen.includes('g'), 30_000);
      await events.close();
      const again = await open();
      const later = await working(again);
      await publish(again, 'h');
      await until('it is consumed', () => later.includes('h'), 30_000);
      expect(later).toEqual(['h']);
    });
  }
});

describe.skipIf(!haveTool(natsTool))('the journal of a group', { timeout }, () => {
  it('is read anew by who comes back when others have written again what its end has lost', async () => {
    const way = await link(server.addresses[0] ?? '');
    try {
      const [events, other] = [await open(), await open([way.address])];
      const waiting = await other.consume('orders', { group: 'g', namespace });
      const pending = async (of: JetstreamEvents) => (await of.streams({ namespace }))[0]?.groups[0]?.pending;
      await publish(events, 'a');
      const [journal, copy] = [`${join(...files('MICRO_EVENT_GROUP'))}+g`, join(saved.path, 'journal')];
      await offline(() => cp(journal, copy, { recursive: true }));
      for (let round = 0; round < 3; round++) {
        for await (const delivery of await events.consume('orders', { group: 'g', namespace })) {
          expect(delivery.event.offset).toBe(1n);
          break;
        }
      }
      expect(await pending(other)).toBe(1);
      way.cut();
      await events.close();
      await offline(async () => {
        await rm(journal, { recursive: true });
        await cp(copy, journal, { recursive: true });
      });
      const later = await open();
      const seen = await working(later);
      await publish(later, 'b', 'c', 'd', 'e');
      await until('they are consumed', () => seen.length === 5);
      way.mend();
      await until('the other knows', async () => (await pending(other)) === 0);
      await later.close();
      await publish(await open(), 'f');
      const { value: delivery } = await waiting[Symbol.asyncIterator]().next();
      expect(Buffer.from(delivery?.event.body ?? []).toString()).toBe('f');
      await delivery?.ack();
      expect(await pending(await open())).toBe(0);
    } finally {
      await way.end();
    }
  });

  it('is as long as a power cut may reach back, and who comes needs not read it all', async () => {
    const nats = await openNats({ servers: server.addresses, id: 'broker' });
    try {
      const events = await open();
      const seen = await working(events);
      const journal = 'MICRO_EVENT_GROUP+power+orders+g';
      const state = async () => {
        const answer = await nats.connection.request(`$JS.API.STREAM.INFO.${journal}`, '{"subjects_filter":">"}');
        return answer.json<{ state: { first_seq: number; subjects: Record<string, number> } }>().state;
      };
      const texts = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);
      const states = async () => (await state()).subjects['micro.events.group.power.orders.g.state'] ?? 0;
      const work = async () => {
        const before = await states();
        while ((await states()) < before + 2) {
          const count = seen.length + 100;
          await publish(events, ...texts(100));
          await until('they are consumed', () => seen.length === count);
        }
      };
      await work();
      expect((await state()).first_seq).toBe(1);
      // Somebody writes three minutes later.
      const later = packedEntry({ v: entryVersion, by: 'x', n: 1, at: Date.now() + 181_000, acts: [] });
      await nats.connection.request('micro.events.group.power.orders.g.acts', later);
      await work();
      await until('it is cut', async () => (await state()).first_seq > 1);
      await events.close();
      const other = await open();
      expect(await other.streams({ namespace })).toMatchObject([
        { groups: [{ group: 'g', pending: 0, deadLetters: 0 }] },
      ]);
      const again = await working(other);
      await publish(other, 'new');
      await until('it is consumed', () => again.length > 0);
      expect(again).toEqual(['new']);
    } finally {
      await nats.close();
    }
  });

  it('is gone through without what JetStream has lost of it', async () => {
    const nats = await openNats({ servers: server.addresses, id: 'broker' });
    try {
      const events = await open();
      const seen = await working(events);
      await publish(events, 'a', 'b', 'c');
      await until('they are consumed', () => seen.length === 3);
      await events.close();
      const journal = 'MICRO_EVENT_GROUP+power+orders+g';
      const answer = await nats.connection.request(`$JS.API.STREAM.MSG.DELETE.${journal}`, '{"seq":3}');
      expect(answer.json()).toMatchObject({ success: true });
      const again = await open();
      const later = await working(again);
      await publish(again, 'd');
      await until('it is consumed', () => later.includes('d'));
    } finally {
      await nats.close();
    }
  });
});
