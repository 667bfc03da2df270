import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Broker, brokerLimits, type Message, patience, type Subscription } from './broker.js';
import type { BrokerCapabilities } from './capabilities.js';

export interface BrokerContractOptions {
  readonly capabilities: BrokerCapabilities;
  /** A broker that hears what others opened here publish, unless it shares with nobody but itself. The suite closes it. */
  readonly open: () => Promise<Broker>;
}

const soon = { timeout: 10_000, interval: 5 };
const testTimeout = 30_000;
/** Milliseconds: far more than a broker that does not wait for somebody needs, also on a busy machine. */
const soonEnough = patience * 0.8;

/** The contract of broker.ts, run on an adapter. */
export function brokerContract(adapter: string, { open, capabilities }: BrokerContractOptions): void {
  describe(`${adapter} broker`, { timeout: testTimeout }, () => {
    let opened: Broker[];
    let publisher: Broker;
    let subscriber: Broker;
    /** A namespace that no other test has. */
    let namespace: string;

    const another = async () => {
      const broker = await open();
      opened.push(broker);
      return broker;
    };
    const subscribe = (topic: string, options: Parameters<Broker['subscribe']>[1] = {}, broker = subscriber) =>
      broker.subscribe(topic, { namespace, ...options });
    const listen = async (topic: string, options: Parameters<Broker['subscribe']>[1] = {}, broker = subscriber) =>
      listening(await subscribe(topic, options, broker));
    const publish = (topic: string, body: string | Uint8Array = '', headers?: Readonly<Record<string, string>>) =>
      publisher.publish(topic, { body: bytes(body), headers }, { namespace });

    beforeEach(async () => {
      opened = [];
      namespace = `n-${randomUUID()}`;
      publisher = await another();
      subscriber = capabilities.shared === 'instance' ? publisher : await another();
    });
    afterEach(async () => {
      await Promise.all(opened.map((broker) => broker.close()));
    });

    describe('messages', () => {
      it('come as they were published', async () => {
        const got = await listen('orders');
        const body = Uint8Array.from({ length: 512 }, (_, index) => index % 256);
        await publisher.publish(
          'orders',
          { body, headers: { 'Content-Type': 'a/b', 'X-Key': 'значение' } },
          { namespace },
        );
        await expect.poll(() => got.messages.length, soon).toBe(1);
        const [message] = got.messages as [Message];
        expect({ ...message, body: [...message.body] }).toEqual({
          topic: 'orders',
          body: [...body],
          headers: { 'content-type': 'a/b', 'x-key': 'значение' },
        });
        expect(Object.getPrototypeOf(message.body)).toBe(Uint8Array.prototype);
      });

      it('may be empty', async () => {
        const got = await listen('orders');
        await publisher.publish('orders', {}, { namespace });
        await publisher.publish('orders', { body: new Uint8Array(), headers: { empty: '' } }, { namespace });
        await expect
          .poll(() => got.messages, soon)
          .toEqual([
            { topic: 'orders', body: new Uint8Array(), headers: {} },
            { topic: 'orders', body: new Uint8Array(), headers: { empty: '' } },
          ]);
      });

      it('may be as large as the limits say, and no larger', async () => {
        const got = await listen('orders');
        const body = new Uint8Array(brokerLimits.bodyBytes).map((_, index) => (index * 7) % 256);
        const headers = { a: 'x'.repeat(brokerLimits.headerBytes - 1) };
        await publisher.publish('orders', { body, headers }, { namespace });
        await expect.poll(() => got.messages.length, soon).toBe(1);
        expect(Buffer.compare((got.messages[0] as Message).body, body)).toBe(0);
        expect(got.messages[0]?.headers).toEqual(headers);
        const refusal = { code: 'invalid_argument', detail: expect.stringMatching(/body.*1048576/) };
        await expect(publish('orders', new Uint8Array(brokerLimits.bodyBytes + 1))).rejects.toMatchObject(refusal);
        const tooMany = publish('orders', '', { a: 'ä'.repeat(brokerLimits.headerBytes / 2) });
        await expect(tooMany).rejects.toMatchObject({
          code: 'invalid_argument',
          detail: expect.stringMatching(/headers.*16384/),
        });
      });

      it('have headers whose names mean nothing to JavaScript', async () => {
        const got = await listen('orders');
        const headers = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
        await publish('orders', '', headers);
        await expect.poll(() => got.messages.length, soon).toBe(1);
        expect(Object.entries((got.messages[0] as Message).headers).sort()).toEqual([
          ['__proto__', 'a'],
          ['constructor', 'b'],
          ['tostring', 'c'],
        ]);
      });

      it('are not changed by what the publisher or another subscriber does to its objects', async () => {
        const [one, other] = [await subscribe('orders'), await subscribe('orders')];
        const body = bytes('abc');
        const headers: Record<string, string> = { a: '1' };
        const published = publisher.publish('orders', { body, headers }, { namespace });
        body[0] = 0;
        headers['a'] = '2';
        await published;
        const first = await next(one);
        first.body[1] = 0;
        const second = await next(other);
        expect([text(second), second.headers]).toEqual(['abc', { a: '1' }]);
      });

      it.each([
        ['a name', { 'a b': '' }],
        ['a name', { '': '' }],
        ['a name', { ü: '' }],
        ['a name', { 'a:b': '' }],
        ['a value', { a: 'b\r\nc' }],
        ['a value', { a: '\0' }],
        ['a value', { a: '\ud800' }],
        ['names', { A: '1', a: '2' }],
      ])('are refused for %s that no header can have: %j', async (_what, headers) => {
        await expect(publish('orders', '', headers as unknown as Record<string, string>)).rejects.toMatchObject({
          code: 'invalid_argument',
          detail: expect.stringContaining('header'),
        });
      });
    });

    describe('names', () => {
      it.each(['a', 'A', '0', 'a.b-c_d', 'a..b', 'constructor', 'x'.repeat(brokerLimits.nameLength)])(
        'may be %j, for a topic and a queue',
        async (name) => {
          const got = [await listen(name), await listen(name, { queue: name })];
          const others = await listen(name === 'A' ? 'a' : 'other');
          await publish(name, 'hello');
          for (const one of got) await expect.poll(() => one.texts, soon).toEqual(['hello']);
          expect(await publisher.topics({ namespace })).toContain(name);
          expect(others.texts).toEqual([]);
        },
      );

      it.each([
        '',
        ' ',
        '.',
        '.a',
        'a.',
        '-a',
        'a_',
        'a b',
        'a/b',
        'a*',
        '>',
        'ü',
        'a\0',
        'a\n',
        '../x',
        'x'.repeat(brokerLimits.nameLength + 1),
      ])('may not be %j', async (name) => {
        const refusal = { code: 'invalid_argument' };
        await expect(publish(name)).rejects.toMatchObject({ ...refusal, detail: expect.stringContaining('topic') });
        await expect(subscribe(name)).rejects.toMatchObject({ ...refusal, detail: expect.stringContaining('topic') });
        if (name !== '') {
          const named = { ...refusal, detail: expect.stringContaining('queue') };
          await expect(subscribe('orders', { queue: name })).rejects.toMatchObject(named);
        }
        if (/^[._-]|[._-]$|^x/.test(name)) return;
        await expect(publisher.topics({ namespace: name })).rejects.toMatchObject(refusal);
        await expect(publisher.publish('orders', {}, { namespace: name })).rejects.toMatchObject(refusal);
        await expect(subscribe('orders', { namespace: name })).rejects.toMatchObject(refusal);
      });

      it('go with a buffer of at least one message', async () => {
        for (const buffer of [0, -1, 1.5, NaN, Infinity])
          await expect(subscribe('orders', { buffer })).rejects.toMatchObject({ code: 'invalid_argument' });
      });
    });

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
        const published = numbers(100).map((number) =>
          leaving.publish('orders', { body: bytes(number) }, { namespace }),
        );
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
        await new Promise((resolve) => setTimeout(resolve, 100));
        controller.abort();
        expect(await outcomes).toContainEqual({ status: 'rejected', reason: expect.objectContaining(refusal) });
        await slow.close();
      });
    });

    it('keeps its promises whatever comes and goes', async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
          const topic = `t${run++}`;
          const got: {
            readonly queue: string;
            readonly texts: string[];
            readonly from: number;
            to: number;
            readonly subscription: Subscription;
          }[] = [];
          const published: Promise<void>[] = [];
          let count = 0;
          for (const { what, which } of steps) {
            if (what === 'publish') {
              published.push(publish(topic, `${count++}`));
              if (which === 0) await published.at(-1);
            } else if (what === 'subscribe') {
              const queue = ['', 'one', 'two'][which % 3] as string;
              const one = await listen(topic, { queue }, which % 2 === 0 ? subscriber : publisher);
              got.push({ queue, texts: one.texts, from: count, to: Infinity, subscription: one.subscription });
            } else {
              const open = got.filter(({ to }) => to === Infinity);
              const one = open[which % Math.max(open.length, 1)];
              if (!one) continue;
              one.to = count;
              await one.subscription.close();
            }
          }
          await Promise.all(published);
          const whole = got.filter(({ queue, to }) => queue === '' && to === Infinity);
          for (const one of whole)
            await expect
              .poll(() => one.texts.at(-1) ?? '', soon)
              .toBe(one.from < count ? `${count - 1}` : (one.texts.at(-1) ?? ''));
          for (const { texts } of got) expect(texts).toEqual([...new Set(sorted(texts))]);
          for (const { texts, from } of whole)
            expect(texts.slice(-(count - from) || texts.length)).toEqual(numbers(count).slice(from));
          for (const queue of ['one', 'two']) {
            const all = got.filter((one) => one.queue === queue).flatMap(({ texts }) => texts);
            expect(new Set(all).size).toBe(all.length);
          }
          await Promise.all(got.map(({ subscription }) => subscription.close()));
        }),
        { numRuns: 25 },
      );
    });
  });
}

const step = fc.record({
  what: fc.oneof(
    { weight: 6, arbitrary: fc.constant('publish') },
    { weight: 2, arbitrary: fc.constant('subscribe') },
    fc.constant('close'),
  ),
  which: fc.nat({ max: 5 }),
});

/** Reads a subscription to its end and keeps what came, also as short texts. */
function listening(subscription: Subscription) {
  const messages: Message[] = [];
  const texts: string[] = [];
  const read = async () => {
    for await (const message of subscription) {
      messages.push(message);
      texts.push(text(message));
    }
  };
  return { messages, texts, done: read(), subscription };
}

async function next(subscription: Subscription): Promise<Message> {
  const { value } = (await subscription[Symbol.asyncIterator]().next()) as { value: Message };
  return value;
}

function bytes(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body;
}

/** What is written in a body, without what pads it. */
function text({ body }: Message): string {
  const end = body.indexOf(0);
  return new TextDecoder().decode(end < 0 ? body : body.subarray(0, end));
}

function padded(body: string, length: number): Uint8Array {
  const all = new Uint8Array(length);
  all.set(bytes(body));
  return all;
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index}`);
}

function sorted(texts: readonly string[]): string[] {
  return [...texts].sort((one, other) => Number(one) - Number(other));
}
