import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { EventsRig } from '../events.contract.js';
import type { Event, Events } from '../events.js';
import { collecting, next, numbered, soon, take, text } from './taking.fixture.js';

/** Reading on, live. */
export function followingContract(rig: EventsRig): void {
  const follow = (options: Parameters<Events['follow']>[1] = {}, events = rig.events) =>
    events.follow('orders', { namespace: rig.namespace, ...options });
  /** What a follower got must be consecutive. */
  const offsets = (events: readonly Event[]) => events.map(({ offset }) => Number(offset));

  describe('following', () => {
    it('gives what is there from a position on, then what comes, in order, each once', async () => {
      await rig.publish('orders', 'a', 'b', 'c');
      const all = follow({ from: 'oldest' }, rig.others)[Symbol.asyncIterator]();
      const some = follow({ from: { offset: 3n } })[Symbol.asyncIterator]();
      expect([text(await next(all)), text(await next(all)), text(await next(all))]).toEqual(['a', 'b', 'c']);
      expect(text(await next(some))).toBe('c');
      const waiting = [next(all), next(some)];
      await rig.publish('orders', 'd', 'e');
      expect((await Promise.all(waiting)).map(text)).toEqual(['d', 'd']);
      expect((await next(all)).offset).toBe(5n);
      await Promise.all([all.return?.(), some.return?.()]);
    });

    it('begins behind the newest unless told otherwise', async () => {
      await rig.publish('orders', 'old');
      const got = collecting(follow());
      // From some moment on it is in force: from then on nothing is missing.
      let count = 0;
      await expect
        .poll(async () => {
          await rig.publish('orders', `${count++}`);
          return got.items.length;
        }, soon)
        .toBeGreaterThan(3);
      const [first = 0] = offsets(got.items);
      expect(first).toBeGreaterThan(1);
      const last = count + 1;
      await expect.poll(() => offsets(got.items).at(-1), soon).toBe(last);
      expect(offsets(got.items)).toEqual(numbered(last - first + 1, first).map(Number));
    });

    it('begins at a time, also at one to come', async () => {
      await rig.publish('orders', 'a');
      const time = ((await rig.events.read('orders', rig))[0]?.publishedAt ?? 0) + 1;
      await expect.poll(() => Date.now(), soon).toBeGreaterThan(time);
      await rig.publish('orders', 'b');
      expect((await take(follow({ from: { time } }), 1)).map(text)).toEqual(['b']);
    });

    it('waits for a stream that is not there yet', async () => {
      const first = take(follow({ from: 'oldest' }), 1);
      await turn();
      await rig.publish('orders', 'a');
      expect((await first).map(text)).toEqual(['a']);
    });

    it('leaves nothing out while others publish, for each of several followers', async () => {
      const followers = [rig.events, rig.others, rig.events].map((events) =>
        collecting(follow({ from: 'oldest' }, events)),
      );
      const publish = (events: Events) =>
        Promise.all(numbered(100).map((n) => events.publish('orders', { body: Buffer.from(n) }, rig)));
      await Promise.all([publish(rig.events), publish(rig.others)]);
      for (const { items } of followers) {
        await expect.poll(() => items.length, soon).toBe(200);
        expect(offsets(items)).toEqual(numbered(200).map(Number));
      }
    });

    it('slowly holds nobody up, and misses nothing', async () => {
      const slow = follow({ from: 'oldest' })[Symbol.asyncIterator]();
      const fast = collecting(follow({ from: 'oldest' }));
      await rig.publish('orders', 'first');
      expect(text(await next(slow))).toBe('first');
      const body = new Uint8Array(20_000);
      await Promise.all(numbered(500).map(() => rig.events.publish('orders', { body }, rig)));
      await expect.poll(() => fast.items.length, soon).toBe(501);
      for (let offset = 2n; offset <= 501n; offset++) expect((await next(slow)).offset).toBe(offset);
      await slow.return?.();
    });

    it('ends quietly with its signal, whether it waits or not', async () => {
      await rig.publish('orders', 'a');
      const [stop, stopped] = [new AbortController(), AbortSignal.abort()];
      const got = collecting(follow({ from: 'oldest', signal: stop.signal }));
      await expect.poll(() => got.items.length, soon).toBe(1);
      stop.abort();
      await got.ended;
      await collecting(follow({ from: 'oldest', signal: stopped })).ended;
    });

    it('ends when its loop is left, also while it waits', async () => {
      const follower = follow()[Symbol.asyncIterator]();
      const waiting = follower.next();
      await turn();
      await follower.return?.();
      expect(await waiting).toMatchObject({ done: true });
      expect(await follower.next()).toMatchObject({ done: true });
    });

    it('refuses what is no name and no position', async () => {
      const refusal = { code: 'invalid_argument' };
      await expect(collecting(rig.events.follow('a/b', rig)).ended).rejects.toMatchObject(refusal);
      await expect(collecting(follow({ from: { offset: -1n } })).ended).rejects.toMatchObject(refusal);
    });
  });
}
