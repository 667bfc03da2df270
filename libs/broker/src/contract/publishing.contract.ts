import { beforeEach, describe, expect, it } from 'vitest';
import type { ContractRig } from '../broker.contract.js';
import { type Broker, brokerLimits, type Message } from '../broker.js';
import { bytes, next, soon, text } from './messages.fixture.js';

/** What a message may be, and how a topic and a queue may be called. */
export function publishingContract(rig: ContractRig): void {
  const { subscribe, listen, publish } = rig;
  let publisher: Broker;
  let namespace: string;
  beforeEach(() => void ({ publisher, namespace } = rig));

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
}
