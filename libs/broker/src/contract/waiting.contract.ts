import { beforeEach, describe, expect, it } from 'vitest';
import type { ContractRig } from '../broker.contract.js';
import { type Broker, brokerLimits, patience } from '../broker.js';
import { listening, numbers, padded, soon, sorted, text } from './messages.fixture.js';

/** Milliseconds: far more than a broker that does not wait for somebody needs, also on a busy machine. */
const soonEnough = patience * 0.8;

/** How long who publishes waits for who takes, and what is lost then. */
export function waitingContract(rig: ContractRig): void {
  const { subscribe, listen, publish } = rig;
  let publisher: Broker;
  let namespace: string;
  beforeEach(() => void ({ publisher, namespace } = rig));

  describe('a slow subscriber', () => {
    const large = 256 * 1024;
    /** Publishes until a publisher is held up; how many messages that took. Bodies are large, so that nothing on the way holds many. */
    const fill = async (topic: string) => {
      for (let count = 1; count <= 500; count++) {
        const begin = performance.now();
        await publish(topic, padded(`${count - 1}`, large));
        if (performance.now() - begin > soonEnough) return count;
      }
      throw new Error('nobody was ever waited for');
    };

    it('holds its publisher up for a moment, then loses messages and holds nobody up, until it takes again', async () => {
      const slow = await subscribe('orders', { buffer: 1 });
      const lost = (await fill('orders')) - 1;
      const begin = performance.now();
      for (let times = 0; times < 5; times++) await publish('orders', 'lost');
      expect(performance.now() - begin).toBeLessThan(2 * patience);
      const got = listening(slow);
      await expect.poll(() => got.texts.length, soon).toBeGreaterThan(0);
      await expect
        .poll(async () => {
          await publish('orders', 'again');
          return got.texts.at(-1);
        }, soon)
        .toBe('again');
      const before = got.texts.filter((one) => one !== 'again' && one !== 'lost');
      expect(before).toEqual(numbers(before.length));
      expect(before.length).toBeLessThanOrEqual(lost + 1);
    });

    it('who takes in time loses nothing', async () => {
      const slow = await subscribe('orders', { buffer: 1 });
      const published = (async () => {
        for (let index = 0; index < 40; index++) await publish('orders', padded(`${index}`, large));
      })();
      const texts: string[] = [];
      for await (const message of slow) {
        texts.push(text(message));
        if (texts.length === 40) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await published;
      expect(texts).toEqual(numbers(40));
    });

    it('does not keep others from getting everything in time', async () => {
      await subscribe('orders', { buffer: 1 });
      await subscribe('orders', { buffer: 1, queue: 'slow' });
      const others = [await listen('orders'), await listen('orders', { queue: 'q' })];
      const topic = await listen('other');
      const held = fill('orders');
      const begin = performance.now();
      await publish('other', 'hello');
      await expect.poll(() => topic.texts, soon).toEqual(['hello']);
      expect(performance.now() - begin).toBeLessThan(5_000);
      const count = await held;
      for (const one of others) await expect.poll(() => one.texts, soon).toEqual(numbers(count));
    });

    it('of a queue leaves its messages to the others', async () => {
      const slow = await subscribe('orders', { buffer: 1, queue: 'q' });
      const quick = await listen('orders', { buffer: 2, queue: 'q' });
      const count = 100;
      for (let index = 0; index < count; index++) await publish('orders', padded(`${index}`, large));
      const rest = listening(slow);
      await expect.poll(() => sorted([...quick.texts, ...rest.texts]), soon).toEqual(numbers(count));
      expect(rest.texts.length).toBeLessThan(count / 2);
      for (const { texts } of [quick, rest]) expect(texts).toEqual(sorted(texts));
    });

    it('has as many messages waiting as its buffer says', async () => {
      const slow = await subscribe('orders', { buffer: 300 });
      await Promise.all(numbers(300).map((number) => publish('orders', number)));
      const got = listening(slow);
      await expect.poll(() => got.texts, soon).toEqual(numbers(300));
    });

    it('who ends lets those go who wait for it', async () => {
      const slow = await subscribe('orders', { buffer: 1 });
      const waiting = fill('orders').catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await slow.close();
      const begin = performance.now();
      await publish('orders');
      expect(performance.now() - begin).toBeLessThan(patience * 3);
      await publisher.close();
      await waiting;
    });
  });

  describe('a publisher', () => {
    it('may give up waiting', async () => {
      const slow = await subscribe('orders', { buffer: 1 });
      const refusal = { code: 'canceled' };
      await expect(publisher.publish('orders', {}, { namespace, signal: AbortSignal.abort() })).rejects.toMatchObject(
        refusal,
      );
      const controller = new AbortController();
      const large = new Uint8Array(brokerLimits.bodyBytes);
      const waiting = numbers(100).map(() =>
        publisher.publish('orders', { body: large }, { namespace, signal: AbortSignal.any([controller.signal]) }),
      );
      const outcomes = Promise.allSettled(waiting);
      // The first is taken, and so are all that are given together where that is so; on a busy machine the others may soon be given up on.
      await Promise.race([waiting[0], new Promise((resolve) => setTimeout(resolve, 100))]);
      controller.abort();
      expect(await outcomes).toContainEqual({ status: 'rejected', reason: expect.objectContaining(refusal) });
      await slow.close();
    });
  });
}
