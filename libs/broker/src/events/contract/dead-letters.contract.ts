import { describe, expect, it } from 'vitest';
import type { EventsRig } from '../events.contract.js';
import type { Event, Events } from '../events.js';
import { given, numbered, soon, text } from './taking.fixture.js';

/** What groups gave up on, and what they hold. */
export function deadLettersContract(rig: EventsRig): void {
  const listed = async (group?: string, events: Events = rig.events) =>
    (await events.deadLetters('orders', { namespace: rig.namespace, group })).map(
      ({ event, group: of }) => `${of}${event.offset}`,
    );
  /** Rejects the next so many. */
  const reject = async (group: string, count: number) => {
    await using consumer = await rig.consume('orders', { group });
    for (let n = 1; n <= count; n++) await (await given(consumer)).reject(`no ${n}`);
  };

  describe('dead letters', () => {
    it('are listed by offset, then group, with all that is known of them', async () => {
      const before = Date.now();
      const headers = { a: '1' };
      await rig.events.publish('orders', { body: Buffer.from('x'), headers, id: 'i' }, rig);
      await rig.publish('orders', '2', '3');
      await reject('b', 3);
      await reject('a', 2);
      expect(await listed()).toEqual(['a1', 'b1', 'a2', 'b2', 'b3']);
      expect(await listed('a', rig.others)).toEqual(['a1', 'a2']);
      expect(await listed('nobody')).toEqual([]);
      expect(await rig.events.deadLetters('nothing', rig)).toEqual([]);
      const [letter] = await rig.events.deadLetters('orders', rig);
      const [event] = await rig.events.read('orders', rig);
      expect(letter).toEqual({ event, group: 'a', attempts: 1, reason: 'no 1', diedAt: expect.any(Number) });
      expect(letter?.diedAt).toBeGreaterThan(before - 60_000);
      expect(await rig.events.deadLetters('orders', { namespace: `${rig.namespace}-2` })).toEqual([]);
    });

    it('are replayed in their group, as if for the first time', async () => {
      await rig.publish('orders', ...numbered(3));
      await reject('g', 3);
      await reject('h', 3);
      await using consumer = await rig.consume('orders', { maxDeliveries: 2, backoff: 0 }, rig.others);
      const waiting = given(consumer);
      expect(await rig.events.replay('orders', { group: 'g', offsets: [2n, 2n, 9n], namespace: rig.namespace })).toBe(
        1,
      );
      const first = await waiting;
      expect([first.text, first.attempt]).toEqual(['2', 1]);
      await first.nack();
      const second = await given(consumer);
      expect([second.text, second.attempt]).toEqual(['2', 2]);
      await second.ack();
      expect(await listed()).toEqual(['g1', 'h1', 'h2', 'g3', 'h3']);
      expect(await rig.others.replay('orders', { group: 'g', namespace: rig.namespace })).toBe(2);
      expect([(await given(consumer)).text, (await given(consumer)).text].sort()).toEqual(['1', '3']);
      expect(await rig.events.replay('orders', { group: 'g', namespace: rig.namespace })).toBe(0);
      expect(await rig.events.replay('nothing', { group: 'g', namespace: rig.namespace })).toBe(0);
    });

    it('may die again', async () => {
      await rig.publish('orders', 'a');
      await reject('g', 1);
      await rig.events.replay('orders', { group: 'g', namespace: rig.namespace });
      expect(await listed()).toEqual([]);
      await reject('g', 1);
      expect(await listed()).toEqual(['g1']);
    });

    it('are dropped for good', async () => {
      await rig.publish('orders', ...numbered(3));
      await reject('g', 3);
      await reject('h', 1);
      expect(await rig.others.drop('orders', { group: 'g', offsets: [1n, 7n], namespace: rig.namespace })).toBe(1);
      expect(await listed()).toEqual(['h1', 'g2', 'g3']);
      expect(await rig.events.drop('orders', { group: 'g', offsets: [], namespace: rig.namespace })).toBe(0);
      expect(await rig.events.drop('orders', { group: 'g', namespace: rig.namespace })).toBe(2);
      expect(await listed()).toEqual(['h1']);
      expect(await rig.events.replay('orders', { group: 'g', namespace: rig.namespace })).toBe(0);
    });

    it('outlive their event by as long as it was kept, and can be replayed then', async () => {
      const events = await rig.open({ age: 1e9, bytes: 250 });
      await events.publish('orders', { body: Buffer.from('dead'), headers: { a: '1' } }, rig);
      const consumer = await events.consume('orders', { group: 'g', ...rig });
      await (await given(consumer)).reject('no');
      for (const n of numbered(5)) await events.publish('orders', { body: Buffer.from(n.padEnd(100)) }, rig);
      await expect.poll(async () => (await events.read('orders', rig))[0]?.offset, soon).toBeGreaterThan(1n);
      const [letter] = await events.deadLetters('orders', rig);
      expect(letter?.event).toMatchObject({ offset: 1n, headers: { a: '1' } });
      expect(text(letter?.event as Event)).toBe('dead');
      expect(await events.replay('orders', { ...rig, group: 'g' })).toBe(1);
      for (let offset: bigint | undefined; offset !== 1n;) {
        const delivery = await given(consumer);
        offset = delivery.event.offset;
        if (offset === 1n) expect([delivery.text, delivery.attempt]).toEqual(['dead', 1]);
        await delivery.ack();
      }
    });

    it('go when their time is over', async () => {
      const events = await rig.open({ age: 1_000, bytes: 1e9 });
      const consumer = await events.consume('orders', { group: 'g', ...rig });
      await events.publish('orders', {}, rig);
      await (await given(consumer)).reject('no');
      expect(await events.deadLetters('orders', rig)).toHaveLength(1);
      await expect.poll(() => events.deadLetters('orders', rig), soon).toEqual([]);
      expect((await events.streams(rig))[0]?.groups).toEqual([{ group: 'g', pending: 0, deadLetters: 0 }]);
    });
  });

  describe('streams()', () => {
    it('tells what there is, by name', async () => {
      await rig.events.publish('orders', { body: Buffer.from('123'), headers: { ab: 'ä' } }, rig);
      await rig.publish('orders', '45', '6', '7');
      await rig.publish('Mails', '');
      await using consumer = await rig.consume('orders', { group: 'b' });
      await rig.consume('orders', { group: 'a', from: 'newest' });
      await rig.consume('things', { group: 'c' });
      const first = await given(consumer);
      await given(consumer);
      await (await given(consumer)).reject('no');
      await first.ack();
      const expected = [
        { stream: 'Mails', events: 1, bytes: 0, oldest: 1n, newest: 1n, groups: [] },
        {
          stream: 'orders',
          events: 4,
          bytes: 11,
          oldest: 1n,
          newest: 4n,
          groups: [
            { group: 'a', pending: 0, deadLetters: 0 },
            { group: 'b', pending: 2, deadLetters: 1 },
          ],
        },
        {
          stream: 'things',
          events: 0,
          bytes: 0,
          oldest: undefined,
          newest: undefined,
          groups: [{ group: 'c', pending: 0, deadLetters: 0 }],
        },
      ];
      expect(await rig.events.streams(rig)).toEqual(expected);
      expect(await rig.others.streams(rig)).toEqual(expected);
      for (const events of [rig.events, rig.others]) {
        const of = (stream: string) => events.streams({ stream, namespace: rig.namespace });
        for (const info of expected) expect(await of(info.stream)).toEqual([info]);
        expect(await of('order')).toEqual([]);
        await expect(of('no name')).rejects.toMatchObject({ code: 'invalid_argument' });
      }
    });
  });
}
