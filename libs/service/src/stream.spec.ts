import { parseSchema, type Unary } from '@micro/proto';
import { until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { client, close, events, open, serve, stream, type TypedDelivery } from './index.js';

interface Placed {
  readonly id: string;
}
const placed = stream<Placed>('orders.placed');
const group = 'mail';
const quickly = { group, backoff: 1 };

beforeEach(() => open({ profile: 'test', namespace: 'shop' }));
afterEach(close);

const idsOf = (list: readonly { readonly value: Placed }[]) => list.map(({ value }) => value.id);

describe('a stream', () => {
  it('keeps values, reads and follows them', async () => {
    const first = await placed.publish({ id: 'a' }, { id: '1', headers: { colour: 'red' } });
    expect(await placed.publish({ id: 'a' }, { id: '1' })).toMatchObject({ duplicate: true, offset: first.offset });
    await placed.publish({ id: 'b' });
    const kept = await placed.read();
    expect(kept).toMatchObject([
      { id: '1', offset: first.offset, headers: { colour: 'red' }, value: { id: 'a' } },
      { value: { id: 'b' } },
    ]);
    expect(idsOf(await placed.read({ from: { offset: first.offset + 1n }, limit: 1 }))).toEqual(['b']);
    const stop = new AbortController();
    const followed: string[] = [];
    const following = (async () => {
      for await (const { value } of placed.follow({ from: 'oldest', signal: stop.signal })) followed.push(value.id);
    })();
    await until('what is there has come', () => followed.length === 2);
    await placed.publish({ id: 'c' });
    await until('what was published has come', () => followed.length === 3);
    expect(followed).toEqual(['a', 'b', 'c']);
    stop.abort();
    await following;
  });

  it('leaves out what is no value where nobody settles it, and finds what is behind', async () => {
    for (let n = 0; n < 3; n++) await events.publish('orders.placed', { body: new Uint8Array([n]) });
    await placed.publish({ id: 'a' });
    expect(idsOf(await placed.read({ limit: 2 }))).toEqual(['a']);
    for await (const { value } of placed.follow({ from: 'oldest' })) {
      expect(value).toEqual({ id: 'a' });
      break;
    }
  });

  it('is consumed by groups: acknowledged, given back, given up', async () => {
    for (const id of ['a', 'b', 'c']) await placed.publish({ id });
    const seen: string[] = [];
    for await (const delivery of placed.consume(quickly)) {
      const { value, attempt, headers } = delivery;
      expect(headers['micro-namespace']).toBe('shop');
      seen.push(`${value.id}${attempt}`);
      if (value.id === 'b' && attempt === 1) await delivery.nack({ reason: 'not yet' });
      else if (value.id === 'c') await delivery.reject('never');
      else await delivery.ack();
      if (seen.length === 4) break;
    }
    expect(seen.toSorted()).toEqual(['a1', 'b1', 'b2', 'c1']);
    expect(await events.deadLetters('orders.placed')).toMatchObject([{ group, reason: 'never', attempts: 1 }]);
    expect((await events.streams())[0]?.groups).toEqual([{ group, pending: 0, deadLetters: 1 }]);
  });

  it('puts what is no value among the dead letters, and goes on', async () => {
    await events.publish('orders.placed', { body: new Uint8Array([0xff]) });
    await placed.publish({ id: 'a' });
    for await (const delivery of placed.consume(quickly)) {
      expect(delivery.value).toEqual({ id: 'a' });
      await delivery.ack();
      break;
    }
    expect(await events.deadLetters('orders.placed')).toMatchObject([
      { event: { offset: 1n }, reason: expect.stringContaining('stream orders.placed') },
    ]);
  });
});

it('gives dead letters with their values, out again, and away', async () => {
  await events.publish('orders.placed', { body: new Uint8Array([0xff]) });
  for (const id of ['a', 'b']) await placed.publish({ id });
  const rejectAll = async (count: number) => {
    let left = count;
    for await (const delivery of placed.consume(quickly)) {
      await delivery.reject('never');
      if (--left === 0) break;
    }
  };
  await rejectAll(2);
  const dead = await placed.deadLetters({ group });
  expect(dead.map(({ value, event: { offset } }) => [value?.id, offset])).toEqual([
    [undefined, 1n],
    ['a', 2n],
    ['b', 3n],
  ]);
  expect(await placed.deadLetters({ group: 'other' })).toEqual([]);
  expect(await placed.replay({ group, offsets: [] })).toBe(0);
  expect(await placed.replay({ group, offsets: [2n] })).toBe(1);
  for await (const delivery of placed.consume(quickly)) {
    expect([delivery.value, delivery.attempt]).toEqual([{ id: 'a' }, 1]);
    await delivery.ack();
    break;
  }
  expect(await placed.drop({ group, offsets: [1n] })).toBe(1);
  expect((await placed.deadLetters()).map(({ value }) => value?.id)).toEqual(['b']);
  expect(await placed.drop({ group })).toBe(1);
  expect(await placed.deadLetters()).toEqual([]);
});

describe('processing', () => {
  it('acknowledges what returns, gives back what throws, in the end to the dead letters', async () => {
    for (const id of ['a', 'b', 'c']) await placed.publish({ id });
    const stop = new AbortController();
    const seen: string[] = [];
    const processing = placed.process(
      { ...quickly, maxDeliveries: 3, signal: stop.signal },
      ({ id }, { attempt, event, reject }) => {
        seen.push(`${id}${attempt}`);
        if (id === 'a') throw new Error(`no ${event.offset}`);
        if (id === 'b') return reject('never');
      },
    );
    await until('nothing is left', async () => (await events.streams())[0]?.groups[0]?.pending === 0);
    expect(seen).toEqual(['a1', 'a2', 'a3', 'b1', 'c1']);
    const dead = (await events.deadLetters('orders.placed')).map(({ reason, attempts }) => ({ reason, attempts }));
    expect(dead).toEqual([
      { reason: 'no 1', attempts: 3 },
      { reason: 'never', attempts: 1 },
    ]);
    stop.abort();
    await processing;
  });

  it('takes as many at a time as it is told', async () => {
    for (let n = 0; n < 9; n++) await placed.publish({ id: String(n) });
    let running = 0;
    let most = 0;
    const done: string[] = [];
    const stop = new AbortController();
    const processing = placed.process({ ...quickly, concurrency: 3, signal: stop.signal }, async ({ id }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      done.push(id);
    });
    await until('all are done', () => done.length === 9);
    expect(most).toBe(3);
    expect(done.toSorted()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8']);
    stop.abort();
    await processing;
  });

  it('carries the trace to what it calls', async () => {
    await close();
    const Where = parseSchema({
      'where.proto':
        'syntax = "proto3"; package where; service Where { rpc Am(Place) returns (Place); } message Place { string trace = 1; }',
    }).service<{ am: Unary<{ trace: string }, { trace: string }> }>('where.Where');
    const service = await serve(
      Where,
      { am: (_place, { metadata }) => ({ trace: metadata.get('traceparent')?.slice(3, 35) }) },
      { profile: 'test', signals: false },
    );
    const traces: string[] = [];
    const sent: (string | undefined)[] = [];
    const processing = placed.process({ ...quickly, concurrency: 2 }, async (_value, { headers }) => {
      sent.push(headers['traceparent']?.slice(3, 35));
      traces.push((await client(Where).am({})).trace);
    });
    await placed.publish({ id: 'a' });
    await placed.publish({ id: 'b' });
    await until('both are done', () => traces.length === 2);
    expect(traces.toSorted()).toEqual(sent.toSorted());
    expect(new Set(traces).size).toBe(2);
    await service.stop();
    await processing;
  });

  it('comes to its end with the service, and what does not heed that is given back', async () => {
    await close();
    const Where = parseSchema({
      'where.proto':
        'syntax = "proto3"; package where; service Where { rpc Am(Place) returns (Place); } message Place { string trace = 1; }',
    }).service('where.Where');
    process.env['MICRO_STOP_GRACE'] = '300';
    try {
      const service = await serve(Where, {}, { profile: 'test', signals: false });
      for (const id of ['a', 'b', 'c']) await placed.publish({ id });
      const steps: string[] = [];
      let goOn: () => void = () => undefined;
      const processing = placed.process({ group, concurrency: 2 }, async ({ id }, { signal }) => {
        steps.push(`began ${id}`);
        if (id === 'a') await new Promise<void>((resolve) => (goOn = resolve));
        else await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        steps.push(`ended ${id}`);
      });
      await until('two have begun', () => steps.length === 2);
      const stopped = service.stop();
      goOn();
      await Promise.all([processing, stopped]);
      expect(steps.toSorted()).toEqual(['began a', 'began b', 'ended a', 'ended b']);
    } finally {
      delete process.env['MICRO_STOP_GRACE'];
    }
  });

  it('lets a loop settle what it has in hands', async () => {
    for (const id of ['a', 'b']) await placed.publish({ id });
    const hands: TypedDelivery<Placed>[] = [];
    const stop = new AbortController();
    const loop = (async () => {
      for await (const delivery of placed.consume({ group, signal: stop.signal })) hands.push(delivery);
    })();
    await until('both are in hands', () => hands.length === 2);
    stop.abort();
    for (const delivery of hands) await delivery.ack();
    await loop;
    expect((await events.streams())[0]?.groups).toEqual([{ group, pending: 0, deadLetters: 0 }]);
  });
});
