import { describe, expect, it } from 'vitest';
import type { EventsRig } from '../events.contract.js';
import { given, numbered, soon, working } from './taking.fixture.js';

/** What becomes of an event in a consumer's hands. */
export function settlingContract(rig: EventsRig): void {
  const groups = async () => (await rig.events.streams(rig))[0]?.groups;
  const dead = async () =>
    (await rig.events.deadLetters('orders', rig)).map(({ event, attempts, reason }) => ({
      offset: event.offset,
      attempts,
      reason,
    }));

  describe('a delivery', () => {
    it('that is acknowledged does not come again', async () => {
      const consumer = await rig.consume('orders', { ackWait: 200 });
      await rig.publish('orders', 'a', 'b');
      const first = await given(consumer);
      expect([first.text, first.attempt, first.event.offset, first.event.stream]).toEqual(['a', 1, 1n, 'orders']);
      await first.ack();
      const second = await given(consumer);
      const again = given(consumer);
      expect((await again).text).toBe('b');
      expect((await again).attempt).toBe(2);
      expect(second.attempt).toBe(1);
      await (await again).ack();
      expect(await groups()).toEqual([{ group: 'g', pending: 0, deadLetters: 0 }]);
    });

    it('that is given back comes again after the backoff, which doubles', async () => {
      const consumer = await rig.consume('orders', { backoff: 200 });
      await rig.publish('orders', 'a');
      const times: number[] = [];
      for (const attempt of [1, 2, 3]) {
        const delivery = await given(consumer);
        times.push(performance.now());
        expect(delivery.attempt).toBe(attempt);
        await delivery.nack();
      }
      const last = await given(consumer);
      times.push(performance.now());
      expect(last.attempt).toBe(4);
      const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
      for (const [index, least] of [200, 400, 800].entries()) expect(waits[index]).toBeGreaterThan(least - 20);
    });

    it('that is given back with a delay comes again after that, to whomever', async () => {
      const [one, other] = [
        await rig.consume('orders', { backoff: 60_000 }),
        await rig.consume('orders', {}, rig.others),
      ];
      await rig.publish('orders', 'a');
      await (await given(one)).nack({ delay: 0 });
      const again = await given(other);
      expect([again.text, again.attempt]).toEqual(['a', 2]);
      const begin = performance.now();
      await again.nack({ delay: 300 });
      expect((await given(one)).attempt).toBe(3);
      expect(performance.now() - begin).toBeGreaterThan(280);
      await expect((await givenOf(other)).nack({ delay: -1 })).rejects.toMatchObject({ code: 'invalid_argument' });
    });

    it('that is given back comes again as it was published, whatever its holder has done to it', async () => {
      const consumer = await rig.consume('orders', { backoff: 0, maxDeliveries: 2 });
      const published = { body: Buffer.from('abc'), headers: { a: '1' } };
      await rig.events.publish('orders', published, rig);
      for (const attempt of [1, 2]) {
        const delivery = await given(consumer);
        expect(delivery).toMatchObject({ attempt, text: 'abc', event: { headers: { a: '1' } } });
        delivery.event.body.fill(0);
        Object.assign(delivery.event.headers, { a: '2' });
        await delivery.nack();
      }
      const [letter] = await rig.events.deadLetters('orders', rig);
      expect(Buffer.from(letter?.event.body ?? []).toString()).toBe('abc');
      expect(letter?.event.headers).toEqual({ a: '1' });
    });

    it('does not hold up what comes after it', async () => {
      const consumer = await rig.consume('orders', { backoff: 30_000 });
      await rig.publish('orders', ...numbered(3));
      await (await given(consumer)).nack();
      expect([(await given(consumer)).text, (await given(consumer)).text]).toEqual(['2', '3']);
    });

    it('that is not settled in time comes again, and settling it then is too late', async () => {
      const [one, other] = [await rig.consume('orders', { ackWait: 150 }), await rig.consume('orders', {}, rig.others)];
      await rig.publish('orders', 'a');
      const first = await given(one);
      const again = await given(other);
      expect([again.text, again.attempt]).toEqual(['a', 2]);
      const tooLate = { code: 'aborted', detail: expect.stringContaining('1') };
      await expect(first.extend()).rejects.toMatchObject(tooLate);
      await expect(first.ack()).rejects.toMatchObject(tooLate);
      await again.ack();
      expect(await groups()).toEqual([{ group: 'g', pending: 0, deadLetters: 0 }]);
    });

    it('leaves room when its time is over', async () => {
      const consumer = await rig.consume('orders', { ackWait: 150, inFlight: 2, maxDeliveries: 1 });
      await rig.publish('orders', ...numbered(3));
      expect([(await given(consumer)).text, (await given(consumer)).text, (await given(consumer)).text]).toEqual(
        numbered(3),
      );
    });

    it('may take longer when that is said', async () => {
      const consumer = await rig.consume('orders', { ackWait: 1_000, maxDeliveries: 1 });
      await rig.publish('orders', 'a');
      const delivery = await given(consumer);
      const end = performance.now() + 1_600;
      while (performance.now() < end) {
        await delivery.extend();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await delivery.ack();
      expect(await groups()).toEqual([{ group: 'g', pending: 0, deadLetters: 0 }]);
    });

    it('is settled once: the second time does nothing', async () => {
      const consumer = await rig.consume('orders');
      await rig.publish('orders', 'a', 'b', 'c');
      const [acked, rejected, given3] = [await given(consumer), await given(consumer), await given(consumer)];
      await Promise.all([acked.ack(), acked.ack(), acked.nack(), acked.reject('no')]);
      await rejected.reject('wrong');
      await Promise.all([rejected.ack(), rejected.extend(), rejected.nack({ delay: 0 })]);
      await given3.nack({ delay: 0 });
      await given3.ack();
      const again = await given(consumer);
      expect([again.text, again.attempt]).toEqual(['c', 2]);
      await again.ack();
      expect(await groups()).toEqual([{ group: 'g', pending: 0, deadLetters: 1 }]);
    });
  });

  describe('a group gives up', () => {
    it('on what is rejected, at once', async () => {
      const consumer = await rig.consume('orders');
      await rig.publish('orders', 'a', 'b');
      await (await given(consumer)).reject('no such customer');
      expect((await given(consumer)).text).toBe('b');
      expect(await dead()).toEqual([{ offset: 1n, attempts: 1, reason: 'no such customer' }]);
    });

    it('on what was given back too often, with the last reason', async () => {
      const consumer = await rig.consume('orders', { maxDeliveries: 3, backoff: 0 });
      await rig.publish('orders', 'a');
      for (const reason of ['one', 'two', 'three']) await (await given(consumer)).nack({ reason });
      expect(await dead()).toEqual([{ offset: 1n, attempts: 3, reason: 'three' }]);
      expect(await groups()).toEqual([{ group: 'g', pending: 0, deadLetters: 1 }]);
    });

    it('on what nobody settles', async () => {
      const consumer = await rig.consume('orders', { maxDeliveries: 2, ackWait: 100 });
      await rig.publish('orders', 'a', 'b');
      const seen = working({ ...consumer, [Symbol.asyncIterator]: () => unsettled(consumer) } as never);
      await expect.poll(dead, soon).toEqual([
        { offset: 1n, attempts: 2, reason: 'not acknowledged in time' },
        { offset: 2n, attempts: 2, reason: 'not acknowledged in time' },
      ]);
      expect([...seen.texts].sort()).toEqual(['a', 'a', 'b', 'b']);
      expect(await groups()).toEqual([{ group: 'g', pending: 0, deadLetters: 2 }]);
    });

    it('by the patience of who has the event', async () => {
      const [strict, patient] = [
        await rig.consume('orders', { maxDeliveries: 1 }),
        await rig.consume('orders', { maxDeliveries: 3, backoff: 0 }),
      ];
      await rig.publish('orders', 'a', 'b');
      await (await given(strict)).nack({ reason: 'once is enough' });
      await (await given(patient)).nack();
      const again = await given(patient);
      expect([again.text, again.attempt]).toEqual(['b', 2]);
      await again.ack();
      expect(await dead()).toEqual([{ offset: 1n, attempts: 1, reason: 'once is enough' }]);
    });
  });

  /** A delivery of another event, published for it. */
  const givenOf = async (consumer: Parameters<typeof given>[0]) => {
    await rig.publish('orders', 'another');
    return given(consumer);
  };
}

/** Deliveries that nobody settles. */
async function* unsettled(consumer: Parameters<typeof given>[0]) {
  for await (const delivery of consumer) yield { ...delivery, ack: async () => undefined };
}
