import { beforeEach, describe, expect, it } from 'vitest';
import type { ContractRig } from '../broker.contract.js';
import type { Broker } from '../broker.js';
import type { BrokerCapabilities } from '../capabilities.js';
import { bytes, next, numbers, soon, text } from './messages.fixture.js';

/** How a subscription ends, and a broker. */
export function endingContract(rig: ContractRig, capabilities: BrokerCapabilities): void {
  const { another, subscribe, listen, publish } = rig;
  let publisher: Broker;
  let subscriber: Broker;
  let namespace: string;
  beforeEach(() => void ({ publisher, subscriber, namespace } = rig));

  describe('ending', () => {
    it('by close() drops what waits, takes off the topic, and lets another of the queue have the rest', async () => {
      const got = await subscribe('orders', { queue: 'q' });
      await publish('orders', 'taken');
      await publish('orders', 'dropped');
      expect(text(await next(got))).toBe('taken');
      await got.close();
      await got.close();
      expect(await got[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
      await expect.poll(() => publisher.topics({ namespace }), soon).toEqual([]);
      const other = await listen('orders', { queue: 'q' });
      for (let index = 0; index < 20; index++) await publish('orders', `${index}`);
      await expect.poll(() => other.texts, soon).toEqual(numbers(20));
    });

    it('by close() while messages come, loses none of the queue’s that come after', async () => {
      const [one, other] = [await listen('orders', { queue: 'q' }), await listen('orders', { queue: 'q' })];
      const published = Promise.all(numbers(200).map((number) => publish('orders', number)));
      await one.subscription.close();
      await published;
      const after = numbers(50).map((number) => `after ${number}`);
      for (const body of after) await publish('orders', body);
      await expect.poll(() => other.texts.filter((body) => body.startsWith('after')), soon).toEqual(after);
    });

    it('by leaving the iteration', async () => {
      const got = await subscribe('orders');
      await publish('orders', 'one');
      for await (const message of got) {
        expect(text(message)).toBe('one');
        break;
      }
      await expect.poll(() => publisher.topics({ namespace }), soon).toEqual([]);
      expect(await got[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
    });

    it('by `await using`', async () => {
      {
        await using got = await subscribe('orders');
        await publish('orders', 'one');
        expect(text(await next(got))).toBe('one');
      }
      await expect.poll(() => publisher.topics({ namespace }), soon).toEqual([]);
    });

    it('by its signal, quietly', async () => {
      const controller = new AbortController();
      const got = await listen('orders', { signal: controller.signal });
      controller.abort();
      await got.done;
      await expect.poll(() => publisher.topics({ namespace }), soon).toEqual([]);
      const never = await listen('orders', { signal: AbortSignal.abort() });
      await never.done;
      await expect.poll(() => publisher.topics({ namespace }), soon).toEqual([]);
    });

    it('of a broker ends its subscriptions, and sends what has been published', async () => {
      const leaving = capabilities.shared === 'instance' ? publisher : await another();
      const own = await listen('own', {}, leaving);
      const got = await listen('orders');
      const published = numbers(100).map((number) => leaving.publish('orders', { body: bytes(number) }, { namespace }));
      await Promise.all([leaving.close(), leaving.close()]);
      await Promise.all(published);
      await own.done;
      if (leaving !== subscriber) await expect.poll(() => got.texts, soon).toEqual(numbers(100));
      const refusal = { code: 'unavailable', detail: expect.stringContaining('closed') };
      await expect(leaving.publish('orders', {}, { namespace })).rejects.toMatchObject(refusal);
      await expect(leaving.subscribe('orders', { namespace })).rejects.toMatchObject(refusal);
      await expect(leaving.topics({ namespace })).rejects.toMatchObject(refusal);
      if (leaving !== subscriber) await expect.poll(() => publisher.topics({ namespace }), soon).toEqual(['orders']);
    });
  });
}
