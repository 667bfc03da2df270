import { describe, expect, it } from 'vitest';
import type { EventsRig } from '../events.contract.js';
import { collecting, given, working } from './taking.fixture.js';

/** Who sees what was kept, and what closing ends. */
export function keepingContract(rig: EventsRig): void {
  const { survives, shared } = rig.capabilities;

  describe('what was kept', () => {
    it(shared === 'instance' ? 'is seen by nobody else' : 'is seen by others', async () => {
      await rig.publish('orders', 'a');
      const seen = await (await rig.open()).read('orders', rig);
      expect(seen).toHaveLength(shared === 'instance' ? 0 : 1);
    });

    it(survives === 'nothing' ? 'is gone with its events' : 'is there when it is opened again', async () => {
      await rig.publish('orders', 'a', 'b', 'c');
      const consumer = await rig.consume('orders');
      await (await given(consumer)).ack();
      await (await given(consumer)).reject('no');
      await Promise.all([rig.events.close(), rig.others.close()]);
      const events = await rig.open();
      const found = await events.streams(rig);
      if (survives === 'nothing') return expect(found).toEqual([]);
      expect(found).toMatchObject([{ events: 3, groups: [{ group: 'g', pending: 1, deadLetters: 1 }] }]);
      const again = await given(await events.consume('orders', { group: 'g', ...rig }));
      expect([again.text, again.attempt]).toEqual(['c', 1]);
      expect(await events.publish('orders', {}, rig)).toMatchObject({ offset: 4n });
    });
  });

  describe('closing', () => {
    it('ends consumers and followers, and refuses what comes later', async () => {
      await rig.publish('orders', 'a');
      const worker = working(await rig.consume('orders'));
      const follower = collecting(rig.events.follow('orders', rig));
      const held = await rig.consume('orders', { group: 'h' });
      const delivery = await given(held);
      await rig.events.close();
      await rig.events.close();
      await worker.ended;
      await follower.ended;
      expect(await held[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
      await held.close();
      const closed = { code: 'unavailable', detail: expect.stringContaining('closed') };
      const calls: (() => Promise<unknown>)[] = [
        () => rig.events.publish('orders', {}, rig),
        () => rig.events.read('orders', rig),
        () => rig.events.consume('orders', { group: 'g', ...rig }),
        () => rig.events.streams(rig),
        () => rig.events.deadLetters('orders', rig),
        () => rig.events.replay('orders', { group: 'g', ...rig }),
        () => rig.events.drop('orders', { group: 'g', ...rig }),
        () => collecting(rig.events.follow('orders', rig)).ended,
      ];
      for (const call of calls) await expect(call()).rejects.toMatchObject(closed);
      await expect(delivery.ack()).rejects.toMatchObject({ code: expect.stringMatching(/aborted|unavailable/) });
    });

    it('gives what consumers held to others at once', async () => {
      if (shared === 'instance') return;
      await rig.publish('orders', 'a');
      await given(await rig.consume('orders'));
      const other = given(await rig.consume('orders', {}, rig.others));
      await rig.events.close();
      expect((await other).attempt).toBe(2);
    });
  });
}
