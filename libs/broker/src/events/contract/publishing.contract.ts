import { describe, expect, it } from 'vitest';
import type { EventsRig } from '../events.contract.js';
import { eventLimits, type NewEvent } from '../events.js';
import { numbered, text } from './taking.fixture.js';

/** What is published: kept in order, once. */
export function publishingContract(rig: EventsRig): void {
  const publish = (stream: string, event: NewEvent) => rig.events.publish(stream, event, rig);
  const refused = (detail: RegExp) => ({ code: 'invalid_argument', detail: expect.stringMatching(detail) });

  describe('an event', () => {
    it('is kept as it was published', async () => {
      const before = Date.now();
      const body = Uint8Array.from({ length: 512 }, (_, index) => index % 256);
      const published = await publish('orders', {
        body,
        headers: { 'Content-Type': 'a/b', 'x-key': 'значение' },
        id: 'ï d',
      });
      expect(published).toEqual({ offset: 1n, id: 'ï d', duplicate: false });
      const [event] = await rig.others.read('orders', rig);
      expect(event).toEqual({
        stream: 'orders',
        offset: 1n,
        id: 'ï d',
        body,
        headers: { 'content-type': 'a/b', 'x-key': 'значение' },
        publishedAt: expect.any(Number),
      });
      expect(Object.getPrototypeOf(event?.body)).toBe(Uint8Array.prototype);
      expect(event?.publishedAt).toBeGreaterThan(before - 60_000);
      expect(event?.publishedAt).toBeLessThan(Date.now() + 60_000);
    });

    it('may be empty, and has an id then too', async () => {
      const published = [await publish('orders', {}), await publish('orders', { body: new Uint8Array(), headers: {} })];
      const events = await rig.events.read('orders', rig);
      expect(events).toMatchObject([
        { body: new Uint8Array(), headers: {}, offset: 1n, id: published[0]?.id },
        { body: new Uint8Array(), headers: {}, offset: 2n, id: published[1]?.id },
      ]);
      expect(published[0]?.id).not.toBe(published[1]?.id);
      for (const { id } of published) {
        expect(Buffer.byteLength(id)).toBeGreaterThan(0);
        expect(Buffer.byteLength(id)).toBeLessThanOrEqual(eventLimits.idBytes);
      }
    });

    it('may be as large as the limits say, and no larger', async () => {
      const body = new Uint8Array(eventLimits.bodyBytes).map((_, index) => (index * 7) % 256);
      const headers = { a: 'x'.repeat(eventLimits.headerBytes - 1) };
      const id = 'ä'.repeat(eventLimits.idBytes / 2);
      await publish('orders', { body, headers, id });
      const [event] = await rig.events.read('orders', rig);
      expect(Buffer.compare(event?.body ?? new Uint8Array(), body)).toBe(0);
      expect(event).toMatchObject({ headers, id });
      const tooLarge = { body: new Uint8Array(eventLimits.bodyBytes + 1) };
      await expect(publish('orders', tooLarge)).rejects.toMatchObject(refused(/body.*1048576/));
      await expect(publish('orders', { headers: { a: 'ä'.repeat(8192) } })).rejects.toMatchObject(
        refused(/headers.*16384/),
      );
      await expect(publish('orders', { id: `${id}x` })).rejects.toMatchObject(refused(/id.*200/));
      await expect(publish('orders', { id: '' })).rejects.toMatchObject(refused(/id/));
      expect(await rig.texts('orders')).toHaveLength(1);
    });

    it('has headers whose names mean nothing to JavaScript', async () => {
      const headers = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>;
      await publish('orders', { headers });
      const [event] = await rig.events.read('orders', rig);
      expect(Object.entries(event?.headers ?? {}).sort()).toEqual([
        ['__proto__', 'a'],
        ['constructor', 'b'],
      ]);
    });

    it('is not changed by what the publisher or a reader does to its objects', async () => {
      const body = Buffer.from('abc');
      const headers: Record<string, string> = { a: '1' };
      const publishing = publish('orders', { body, headers });
      body[0] = 0;
      headers['a'] = '2';
      await publishing;
      const [event] = await rig.events.read('orders', rig);
      event?.body.fill(0);
      const [again] = await rig.events.read('orders', rig);
      expect(again && [text(again), again.headers]).toEqual(['abc', { a: '1' }]);
    });
  });

  describe('a stream', () => {
    it('has one order, for everyone', async () => {
      const publisher = async (events: EventsRig['events'], name: string) => {
        const published = [];
        for (const n of numbered(30))
          published.push(await events.publish('orders', { body: Buffer.from(`${name}${n}`) }, rig));
        return published;
      };
      const published = (await Promise.all([publisher(rig.events, 'a'), publisher(rig.others, 'b')])).flat();
      expect(published.map(({ offset }) => offset).sort((a, b) => Number(a - b))).toEqual(numbered(60).map(BigInt));
      const events = await rig.events.read('orders', rig);
      expect(await rig.others.read('orders', rig)).toEqual(events);
      expect(events.map(({ offset }) => offset)).toEqual(numbered(60).map(BigInt));
      for (const name of ['a', 'b'])
        expect(events.map(text).filter((body) => body.startsWith(name))).toEqual(
          numbered(30).map((n) => `${name}${n}`),
        );
      const times = events.map(({ publishedAt }) => publishedAt);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    });

    it('counts by itself, and in its namespace', async () => {
      await publish('orders', { body: Buffer.from('one') });
      expect(await publish('mails', {})).toMatchObject({ offset: 1n });
      const elsewhere = { namespace: `${rig.namespace}-2` };
      expect(await rig.events.read('orders', elsewhere)).toEqual([]);
      expect(await rig.events.publish('orders', {}, elsewhere)).toMatchObject({ offset: 1n });
      expect(await rig.texts('orders')).toEqual(['one']);
      expect((await rig.events.streams(elsewhere)).map(({ stream }) => stream)).toEqual(['orders']);
    });

    it('has a name of letters, digits, dots, lines and underscores', async () => {
      const longest = `A${'.-_'.repeat(66)}9`;
      expect(await publish(longest, {})).toMatchObject({ offset: 1n });
      for (const name of ['', '.', '..', '-a', 'a/b', 'a b', 'ä', 'a%', '*', 'a\0', `${longest}x`]) {
        await expect(publish(name, {}), name).rejects.toMatchObject(refused(/stream/));
        await expect(rig.events.read(name, rig), name).rejects.toMatchObject(refused(/stream/));
        await expect(rig.events.consume(name, { group: 'g', ...rig }), name).rejects.toMatchObject(refused(/stream/));
        await expect(rig.events.consume('orders', { ...rig, group: name }), name).rejects.toMatchObject(
          refused(/group/),
        );
      }
      await expect(rig.events.publish('a', {}, { namespace: 'a/b' })).rejects.toMatchObject(refused(/namespace/));
    });
  });

  describe('an id', () => {
    it('is known again: what comes twice is kept once', async () => {
      const first = await publish('orders', { id: 'a', body: Buffer.from('first') });
      await publish('orders', { id: 'b' });
      const again = rig.others.publish('orders', { id: 'a', body: Buffer.from('second') }, rig);
      expect(await again).toEqual({ ...first, duplicate: true });
      expect(await publish('mails', { id: 'a' })).toMatchObject({ offset: 1n, duplicate: false });
      expect(await rig.texts('orders')).toEqual(['first', '']);
      expect(await publish('orders', {})).toMatchObject({ offset: 3n });
    });

    it('that was made up is known again as well', async () => {
      const { id } = await publish('orders', {});
      await publish('orders', {});
      expect(await publish('orders', { id })).toEqual({ offset: 1n, id, duplicate: true });
    });

    it('makes one of many that come at once', async () => {
      const published = await Promise.all(
        numbered(20).map((n) => (Number(n) % 2 === 0 ? rig.events : rig.others).publish('orders', { id: 'a' }, rig)),
      );
      expect(published.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
      expect(new Set(published.map(({ offset }) => offset))).toEqual(new Set([1n]));
    });
  });
}
