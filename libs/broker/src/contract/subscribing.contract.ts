import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ContractRig } from '../broker.contract.js';
import type { Broker } from '../broker.js';
import type { BrokerCapabilities } from '../capabilities.js';
import { bytes, listening, numbers, padded, soon, sorted } from './messages.fixture.js';

/** Who gets which messages, and in what order. */
export function subscribingContract(rig: ContractRig, capabilities: BrokerCapabilities): void {
  const { another, subscribe, listen, publish } = rig;
  let publisher: Broker;
  let subscriber: Broker;
  let namespace: string;
  beforeEach(() => void ({ publisher, subscriber, namespace } = rig));

  describe('subscribers', () => {
    it('each get each message, also with a queue whose name is empty', async () => {
      const got = [await listen('orders'), await listen('orders')];
      for (let times = 0; times < 2; times++) got.push(await listen('orders', { queue: '' }));
      if (capabilities.shared !== 'instance') got.push(await listen('orders', {}, publisher));
      for (let index = 0; index < 20; index++) await publish('orders', `${index}`);
      for (const one of got) await expect.poll(() => one.texts, soon).toEqual(numbers(20));
    });

    it('of one queue share the messages, and each of them works', async () => {
      const members = [await listen('orders', { queue: 'q' }), await listen('orders', { queue: 'q' })];
      members.push(
        await listen('orders', { queue: 'q' }, capabilities.shared === 'instance' ? subscriber : await another()),
      );
      for (let index = 0; index < 150; index++) await publish('orders', `${index}`);
      await expect.poll(() => sorted(members.flatMap(({ texts }) => texts)), soon).toEqual(numbers(150));
      for (const { texts } of members) {
        expect(texts.length).toBeGreaterThan(0);
        expect(texts).toEqual(sorted(texts));
      }
    });

    it('of two queues and of none get each message once each', async () => {
      const queued = [await listen('orders', { queue: 'one' }), await listen('orders', { queue: 'one' })];
      const others = [await listen('orders', { queue: 'two' }), await listen('orders')];
      await Promise.all(numbers(100).map((number) => publish('orders', number)));
      for (const one of others) await expect.poll(() => one.texts, soon).toEqual(numbers(100));
      await expect.poll(() => sorted(queued.flatMap(({ texts }) => texts)), soon).toEqual(numbers(100));
    });

    it('of one queue name on two topics have nothing to do with each other', async () => {
      const [one, other] = [await listen('one', { queue: 'q' }), await listen('other', { queue: 'q' })];
      await publish('one', 'hello');
      await expect.poll(() => one.texts, soon).toEqual(['hello']);
      expect(other.texts).toEqual([]);
    });

    it('get what is published as soon as subscribing has resolved, and nothing from before', async () => {
      for (let times = 0; times < 20; times++) {
        await publish('orders', 'before');
        const got = await listen('orders');
        await publish('orders', 'after');
        await expect.poll(() => got.texts, soon).toEqual(['after']);
        await got.subscription.close();
      }
    });

    it('need not be there', async () => {
      const begin = performance.now();
      for (let times = 0; times < 10; times++) await publish('nobody');
      await (await subscribe('nobody')).close();
      await publish('nobody');
      expect(performance.now() - begin).toBeLessThan(5_000);
    });

    if (capabilities.shared === 'instance')
      it('of another broker hear nothing', async () => {
        const other = await another();
        const got = await listen('orders', {}, other);
        await publish('orders', 'hello');
        expect(await publisher.topics({ namespace })).toEqual([]);
        await other.publish('orders', { body: bytes('own') }, { namespace });
        await expect.poll(() => got.texts, soon).toEqual(['own']);
      });
  });

  describe('namespaces', () => {
    it('hear nothing of one another', async () => {
      const own = await listen('orders');
      const other = await listen('orders', { namespace: `${namespace}-2` });
      await publish('orders', 'one');
      await publisher.publish('orders', { body: bytes('two') }, { namespace: `${namespace}-2` });
      await expect.poll(() => [own.texts, other.texts], soon).toEqual([['one'], ['two']]);
    });

    it('are micro unless said otherwise', async () => {
      const topic = `t${randomUUID()}`;
      const got = listening(await subscriber.subscribe(topic));
      await publisher.publish(topic, { body: bytes('hello') }, { namespace: 'micro' });
      await publisher.publish(topic, { body: bytes('again') });
      await expect.poll(() => got.texts, soon).toEqual(['hello', 'again']);
      expect(await publisher.topics()).toContain(topic);
      await got.subscription.close();
    });
  });

  describe('topics', () => {
    it('are those with a subscription, ascending', async () => {
      expect(await publisher.topics({ namespace })).toEqual([]);
      const subscriptions = [
        await subscribe('b'),
        await subscribe('a.b'),
        await subscribe('B', { queue: 'q' }),
        await subscribe('a.b'),
      ];
      await publish('nobody');
      await expect.poll(() => publisher.topics({ namespace }), soon).toEqual(['B', 'a.b', 'b']);
      expect(await publisher.topics({ namespace: `${namespace}-2` })).toEqual([]);
      await subscriptions[1]?.close();
      await subscriptions[2]?.close();
      await expect.poll(() => publisher.topics({ namespace }), soon).toEqual(['a.b', 'b']);
    });
  });

  describe('order', () => {
    it('is that of the calls, awaited or not', async () => {
      const got = [await listen('orders'), await listen('orders', { queue: 'q' })];
      const published: Promise<void>[] = [];
      for (let index = 0; index < 2_000; index++) {
        const body = index % 100 === 0 ? padded(`${index}`, 100_000) : `${index}`;
        published.push(publish('orders', body));
        if (index % 500 === 0) await published.at(-1);
      }
      await Promise.all(published);
      for (const one of got) await expect.poll(() => one.texts.length, soon).toBe(2_000);
      for (const one of got) expect(one.texts).toEqual(numbers(2_000));
    });

    it('is kept for each of several publishers', async () => {
      const publishers = [publisher, capabilities.shared === 'instance' ? publisher : await another()];
      const got = await listen('orders');
      await Promise.all(
        publishers.flatMap((one, which) =>
          numbers(300).map((number) => one.publish('orders', { body: bytes(`${which} ${number}`) }, { namespace })),
        ),
      );
      await expect.poll(() => got.texts.length, soon).toBe(600);
      for (const which of ['0', '1'])
        expect(got.texts.filter((one) => one.startsWith(which))).toEqual(
          numbers(300).map((number) => `${which} ${number}`),
        );
    });
  });
}
