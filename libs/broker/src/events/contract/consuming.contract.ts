import { describe, expect, it } from 'vitest';
import type { EventsRig } from '../events.contract.js';
import type { ConsumeOptions, Position } from '../events.js';
import { given, next, numbered, soon, working } from './taking.fixture.js';

/** Groups: who gets which event, and in which order. */
export function consumingContract(rig: EventsRig): void {
  describe('a group', () => {
    it('gets each event, in order', async () => {
      const consumer = await rig.consume('orders');
      const got = working(consumer);
      await rig.publish('orders', ...numbered(20));
      await expect.poll(() => got.texts, soon).toEqual(numbered(20));
    });

    it('shares the work among its consumers: each event goes to one at a time', async () => {
      const workers = [
        await rig.consume('orders'),
        await rig.consume('orders', {}, rig.others),
        await rig.consume('orders'),
      ].map(working);
      await Promise.all(numbered(100).map((n) => rig.events.publish('orders', { body: Buffer.from(n) }, rig)));
      await expect.poll(() => workers.flatMap(({ texts }) => texts).length, soon).toBe(100);
      expect(workers.flatMap(({ texts }) => texts).sort((a, b) => Number(a) - Number(b))).toEqual(numbered(100));
      for (const { texts } of workers) expect(texts).toEqual([...texts].sort((a, b) => Number(a) - Number(b)));
    });

    it('loses nothing to a consumer who takes nothing', async () => {
      await rig.consume('orders');
      const other = working(await rig.consume('orders', {}, rig.others));
      await rig.publish('orders', ...numbered(10));
      await expect.poll(() => other.texts, soon).toEqual(numbered(10));
    });

    it('knows nothing of other groups', async () => {
      const [one, other] = [
        working(await rig.consume('orders', { group: 'a' })),
        working(await rig.consume('orders', { group: 'b' })),
      ];
      await rig.publish('orders', ...numbered(5));
      await expect.poll(() => [one.texts, other.texts], soon).toEqual([numbered(5), numbered(5)]);
    });

    it('goes on where it was', async () => {
      await rig.publish('orders', ...numbered(5));
      const first = await rig.consume('orders');
      for (const n of ['1', '2', '3']) {
        const delivery = await given(first);
        expect(delivery.text).toBe(n);
        await delivery.ack();
      }
      await first.close();
      const second = working(await rig.consume('orders', { from: 'oldest' }, rig.others));
      await expect.poll(() => second.texts, soon).toEqual(['4', '5']);
    });

    it('begins at the oldest, and where it is told to when it is new', async () => {
      await rig.publish('orders', ...numbered(3));
      const time = ((await rig.events.read('orders', rig))[2]?.publishedAt ?? 0) + 1;
      await expect.poll(() => Date.now(), soon).toBeGreaterThan(time);
      const begun = async (group: string, from?: Position) => working(await rig.consume('orders', { group, from }));
      const workers = [
        await begun('a'),
        await begun('b', 'newest'),
        await begun('c', { offset: 3n }),
        await begun('d', { time }),
        await begun('e', 'oldest'),
      ];
      const ahead = await begun('f', { offset: 5n });
      await rig.publish('orders', '4', '5');
      const all = numbered(5);
      await expect
        .poll(() => workers.map(({ texts }) => texts), soon)
        .toEqual([all, ['4', '5'], ['3', '4', '5'], ['4', '5'], all]);
      await expect.poll(() => ahead.texts, soon).toEqual(['5']);
    });

    it('is there before anything is published, and its stream with it', async () => {
      await rig.consume('orders', { from: 'newest' });
      await rig.publish('orders', 'a');
      const got = working(await rig.consume('orders', { from: 'newest' }, rig.others));
      await expect.poll(() => got.texts, soon).toEqual(['a']);
    });
  });

  describe('a consumer', () => {
    it('has at most so many events in its hands as it said', async () => {
      const consumer = await rig.consume('orders', { inFlight: 3 });
      await rig.publish('orders', ...numbered(5));
      const taken = [await given(consumer), await given(consumer), await given(consumer)];
      const fourth = given(consumer);
      const other = await given(await rig.consume('orders', {}, rig.others));
      expect(other.text).toBe('4');
      await taken[1]?.ack();
      expect((await fourth).text).toBe('5');
    });

    it('with one in its hands keeps the order, also through redeliveries', async () => {
      const consumer = await rig.consume('orders', { inFlight: 1, backoff: 100 });
      await rig.publish('orders', ...numbered(4));
      const seen: string[] = [];
      while (seen.length < 7) {
        const { text, attempt, ack, nack } = await given(consumer);
        seen.push(`${text}/${attempt}`);
        await (attempt < 3 && Number(text) % 2 === 0 ? nack() : ack());
      }
      expect(seen.slice(0, 5)).toEqual(['1/1', '2/1', '2/2', '2/3', '3/1']);
      expect(seen.slice(5)).toEqual(['4/1', '4/2']);
    });

    it('with one in its hands waits for what another has', async () => {
      const [one, other] = [
        await rig.consume('orders', { inFlight: 1 }),
        await rig.consume('orders', { inFlight: 1 }, rig.others),
      ];
      await rig.publish('orders', 'a', 'b');
      const first = await given(one);
      const second = given(other);
      await first.nack({ delay: 300 });
      // Whichever gets it: not `b` before `a` is settled.
      const again = await Promise.race([second, given(one)]);
      expect([again.text, again.attempt]).toEqual(['a', 2]);
      await again.ack();
    });

    it('gives back at once what it did not settle when it closes', async () => {
      const [one, other] = [await rig.consume('orders'), await rig.consume('orders', {}, rig.others)];
      await rig.publish('orders', ...numbered(4));
      const taken = [await given(one), await given(one), await given(one)];
      await taken[0]?.ack();
      await one.close();
      await one.close();
      expect(await one[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
      const seen = [await given(other), await given(other), await given(other)];
      expect(seen.map(({ text }) => text).sort()).toEqual(['2', '3', '4']);
      expect(seen.find(({ text }) => text === '2')?.attempt).toBe(2);
      await expect(taken[1]?.ack()).rejects.toMatchObject({ code: 'aborted' });
    });

    it('gives back by closing what counts for nothing, so that nothing dies of it', async () => {
      await rig.publish('orders', 'a');
      const options = { maxDeliveries: 1 };
      for (const attempt of [1, 2, 3]) {
        await using consumer = await rig.consume('orders', options);
        expect((await given(consumer)).attempt).toBe(attempt);
      }
      await (await given(await rig.consume('orders', options))).nack();
      expect(await rig.events.deadLetters('orders', rig)).toMatchObject([{ attempts: 4 }]);
    });

    it('ends with its signal, its loop and `await using`', async () => {
      await rig.publish('orders', ...numbered(3));
      const stop = new AbortController();
      const waiting = working(await rig.consume('orders', { from: 'newest', group: 'w', signal: stop.signal }));
      stop.abort();
      await waiting.ended;
      const aborted = await rig.consume('orders', { signal: AbortSignal.abort() });
      expect(await aborted[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
      for await (const { event } of await rig.consume('orders')) if (event.offset === 2n) break;
      {
        await using consumer = await rig.consume('orders');
        expect(['1', '2']).toContain((await given(consumer)).text);
      }
      const got = working(await rig.consume('orders'));
      await expect.poll(() => [...got.texts].sort(), soon).toEqual(numbered(3));
    });

    it('gives two who read at once one event each', async () => {
      const consumer = (await rig.consume('orders'))[Symbol.asyncIterator]();
      const two = Promise.all([next(consumer), next(consumer)]);
      await rig.publish('orders', 'a', 'b');
      expect((await two).map(({ event }) => event.offset)).toEqual([1n, 2n]);
    });

    it('is refused what is beyond the limits', async () => {
      const wrong: Partial<ConsumeOptions>[] = [
        { ackWait: 99 },
        { ackWait: Number.NaN },
        { maxDeliveries: 0 },
        { maxDeliveries: 1.5 },
        { backoff: -1 },
        { inFlight: 0 },
        { inFlight: 1_001 },
        { from: { offset: -1n } },
      ];
      for (const options of wrong) {
        const refusal = {
          code: 'invalid_argument',
          detail: expect.stringMatching(
            Object.keys(options)[0] === 'from' ? /offset/ : new RegExp(Object.keys(options)[0] ?? ''),
          ),
        };
        await expect(rig.consume('orders', options), JSON.stringify(Object.keys(options))).rejects.toMatchObject(
          refusal,
        );
      }
      expect(await rig.events.streams(rig)).toEqual([]);
    });
  });
}
