import { describe, expect, it } from 'vitest';
import type { EventsRig } from '../events.contract.js';
import type { Events, Position } from '../events.js';
import { numbered, soon, text } from './taking.fixture.js';

/** Reading what is kept, and how long that is. */
export function readingContract(rig: EventsRig): void {
  const read = async (options: Parameters<Events['read']>[1] = {}) =>
    (await rig.events.read('orders', { namespace: rig.namespace, ...options })).map(text);

  describe('reading', () => {
    it('of a stream that is not there gives none', async () => {
      expect(await rig.events.read('nothing', rig)).toEqual([]);
      expect(await rig.events.streams(rig)).toEqual([]);
    });

    it('begins at an offset, at the oldest, and behind the newest', async () => {
      await rig.publish('orders', 'a', 'b', 'c');
      expect(await read()).toEqual(['a', 'b', 'c']);
      expect(await read({ from: 'oldest' })).toEqual(['a', 'b', 'c']);
      expect(await read({ from: 'newest' })).toEqual([]);
      expect(await read({ from: { offset: 2n } })).toEqual(['b', 'c']);
      expect(await read({ from: { offset: 0n } })).toEqual(['a', 'b', 'c']);
      expect(await read({ from: { offset: 4n } })).toEqual([]);
    });

    it('begins at a time', async () => {
      await rig.publish('orders', 'a');
      const [first] = await rig.events.read('orders', rig);
      const then = first?.publishedAt ?? 0;
      await expect.poll(() => Date.now(), soon).toBeGreaterThan(then + 1);
      await rig.publish('orders', 'b', 'c');
      const second = (await rig.events.read('orders', rig))[1]?.publishedAt ?? 0;
      expect(await read({ from: { time: 0 } })).toEqual(['a', 'b', 'c']);
      expect(await read({ from: { time: then } })).toEqual(['a', 'b', 'c']);
      expect(await read({ from: { time: then + 0.5 } })).toEqual(['b', 'c']);
      expect(await read({ from: { time: second } })).toEqual(['b', 'c']);
      expect(await read({ from: { time: Date.now() + 3_600_000 } })).toEqual([]);
    });

    it('gives at most so many as asked for, and goes on with the next offset', async () => {
      await rig.publish('orders', ...numbered(5));
      expect(await read({ limit: 2 })).toEqual(['1', '2']);
      expect(await read({ limit: 2, from: { offset: 3n } })).toEqual(['3', '4']);
      expect(await read({ limit: 10_000 })).toEqual(numbered(5));
    });

    it('gives large events in several reads, none left out', async () => {
      const body = new Uint8Array(1024 * 1024);
      await Promise.all(numbered(9).map(() => rig.events.publish('orders', { body }, rig)));
      expect(await rig.texts('orders')).toHaveLength(9);
    });

    it('refuses what is no position and no limit', async () => {
      const refusal = { code: 'invalid_argument' };
      for (const limit of [0, -1, 10_001, 1.5, Number.NaN])
        await expect(read({ limit }), `${limit}`).rejects.toMatchObject(refusal);
      for (const from of [{ offset: -1n }, { offset: 1 }, { time: Number.NaN }, {}, 'first'])
        await expect(read({ from: from as Position })).rejects.toMatchObject(refusal);
    });
  });

  describe('retention', () => {
    it('by age removes the oldest, and their offsets are not used again', async () => {
      const events = await rig.open({ age: 400, bytes: 1e9 });
      await events.publish('orders', { body: Buffer.from('a') }, rig);
      await events.publish('orders', { body: Buffer.from('b') }, rig);
      expect(await events.read('orders', rig)).toHaveLength(2);
      await expect.poll(() => events.read('orders', rig), soon).toEqual([]);
      expect(await events.streams(rig)).toEqual([
        { stream: 'orders', events: 0, bytes: 0, oldest: undefined, newest: undefined, groups: [] },
      ]);
      expect(await events.publish('orders', { body: Buffer.from('c') }, rig)).toMatchObject({ offset: 3n });
      const kept = await events.read('orders', { ...rig, from: { offset: 1n } });
      expect(kept.map(({ offset }) => offset)).toEqual([3n]);
    });

    it('by bytes removes the oldest', async () => {
      const events = await rig.open({ age: 1e9, bytes: 1_000 });
      for (const n of numbered(20)) await events.publish('orders', { body: Buffer.alloc(98), headers: { n } }, rig);
      await expect.poll(async () => (await events.streams(rig))[0]?.bytes, soon).toBeLessThanOrEqual(1_000);
      const kept = await events.read('orders', rig);
      expect(kept.map(({ offset }) => Number(offset))).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20]);
      const [info] = await events.streams(rig);
      expect(info).toMatchObject({ oldest: kept[0]?.offset, newest: 20n, events: kept.length });
      expect(info?.bytes).toBe(9 * (98 + 3));
    });

    it('takes from a group what it has not got yet', async () => {
      const events = await rig.open({ age: 400, bytes: 1e9 });
      const consumer = await events.consume('orders', { group: 'g', ...rig });
      await events.publish('orders', { body: Buffer.from('a') }, rig);
      await expect.poll(() => events.read('orders', rig), soon).toEqual([]);
      expect((await events.streams(rig))[0]?.groups).toEqual([{ group: 'g', pending: 0, deadLetters: 0 }]);
      await events.publish('orders', { body: Buffer.from('b') }, rig);
      const { value } = await consumer[Symbol.asyncIterator]().next();
      expect(value?.event.offset).toBe(2n);
    });
  });
}
