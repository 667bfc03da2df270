import { parseSchema, type Unary } from '@micro/proto';
import { currentCall } from '@micro/rpc';
import { until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { broker, client, close, MicroError, open, serve, type Served, topic, type TypedMessage } from './index.js';

interface Placed {
  readonly id: string;
}
const Where = parseSchema({
  'where.proto':
    'syntax = "proto3"; package where; service Where { rpc Am(Place) returns (Place); rpc Tell(Place) returns (Place); } message Place { string trace = 1; string namespace = 2; }',
}).service<{
  am: Unary<{ trace: string; namespace: string }, { trace: string; namespace: string }>;
  tell: Unary<{ trace: string }, { trace: string }>;
}>('where.Where');

const placed = topic<Placed>('orders.placed');
const traceOf = (traceparent: string | undefined) => traceparent?.slice(3, 35) ?? '';

beforeEach(() => open({ profile: 'test', namespace: 'shop' }));
afterEach(close);

/** Messages as they come, in the background. */
function collected(subscription: AsyncIterable<TypedMessage<Placed>>) {
  const ids: string[] = [];
  const ended = (async () => {
    for await (const { value } of subscription) ids.push(value.id);
  })();
  return { ids, ended };
}

describe('a topic', () => {
  it('brings values to everyone, and of a queue to one', async () => {
    const loops = [placed.subscribe(), placed.subscribe({ queue: 'mail' }), placed.subscribe({ queue: 'mail' })];
    await Promise.all(loops.map(({ ready }) => ready));
    const [all, one, other] = loops.map(collected);
    for (const id of ['a', 'b', 'c']) await placed.publish({ id }, { headers: { Colour: 'red' } });
    await until(
      'all have come',
      () => all?.ids.length === 3 && (one?.ids.length ?? 0) + (other?.ids.length ?? 0) === 3,
    );
    expect(all?.ids).toEqual(['a', 'b', 'c']);
    await close();
    await Promise.all([all, one, other].map((loop) => loop?.ended));
  });

  it('ends by signal, by leaving the loop, and is not heard in another namespace', async () => {
    const stop = new AbortController();
    const subscription = placed.subscribe({ signal: stop.signal });
    const elsewhere = await broker.subscribe('orders.placed', { namespace: 'other' });
    await subscription.ready;
    expect(await broker.topics()).toEqual(['orders.placed']);
    const { ids, ended } = collected(subscription);
    await placed.publish({ id: 'a' });
    await until('it has come', () => ids.length === 1);
    stop.abort();
    await ended;
    await until('nobody is subscribed', async () => (await broker.topics()).length === 0);
    await broker.publish('orders.placed', {}, { namespace: 'other' });
    for await (const { headers } of elsewhere) {
      expect(headers).toMatchObject({ 'micro-from-service': expect.any(String), 'micro-namespace': 'shop' });
      break;
    }
    expect(await broker.topics({ namespace: 'other' })).toEqual([]);
  });

  it('leaves out what is no such value, and goes on', async () => {
    const { ids, ended } = await (async () => {
      const checked = topic<Placed>('orders.placed', {
        parse: (value) => ('id' in (value as object) ? (value as Placed) : raise()),
      });
      const subscription = checked.subscribe();
      await subscription.ready;
      return collected(subscription);
    })();
    await broker.publish('orders.placed', { body: new Uint8Array([0]) });
    await broker.publish('orders.placed', { body: new Uint8Array(Buffer.from('{}')) });
    await placed.publish({ id: 'a' });
    await until('it has come', () => ids.length === 1);
    expect(ids).toEqual(['a']);
    await close();
    await ended;
  });

  it('carries trace and namespace: what the body of a loop calls goes on with them', async () => {
    await close();
    const service: Served = await serve(
      Where,
      {
        am: (_request, { metadata, namespace }) => ({ trace: traceOf(metadata.get('traceparent')), namespace }),
        async tell(_request, { metadata }) {
          await placed.publish({ id: 'told' });
          return { trace: traceOf(metadata.get('traceparent')) };
        },
      },
      { profile: 'test', signals: false, namespace: 'shop' },
    );
    const where = client(Where);
    const found: { trace: string; namespace: string }[] = [];
    const headers: (string | undefined)[] = [];
    const subscription = placed.subscribe();
    await subscription.ready;
    const loop = (async () => {
      for await (const message of subscription) {
        headers.push(message.headers['traceparent']);
        found.push(await where.am({}));
      }
      return currentCall();
    })();
    const told = [await where.tell({}), await where.tell({})];
    await placed.publish({ id: 'on its own' });
    await until('all have come', () => found.length === 3);
    expect(found.map(({ trace }) => trace)).toEqual(headers.map(traceOf));
    expect(found.map(({ trace }) => trace).slice(0, 2)).toEqual(told.map(({ trace }) => trace));
    expect(new Set(found.map(({ trace }) => trace)).size).toBe(3);
    expect(found.map(({ namespace }) => namespace)).toEqual(['shop', 'shop', 'shop']);
    await service.stop();
    expect(await loop).toBeUndefined();
  });

  it('lets the round that has begun come to its end when the service stops', async () => {
    const service = await serve(Where, {}, { profile: 'test', signals: false });
    const subscription = placed.subscribe();
    await subscription.ready;
    let goOn: () => void = () => undefined;
    const steps: string[] = [];
    const loop = (async () => {
      for await (const { value } of subscription) {
        steps.push(`began ${value.id}`);
        await new Promise<void>((resolve) => (goOn = resolve));
        // It still may publish.
        await topic('orders.done').publish(value);
        steps.push(`ended ${value.id}`);
      }
    })();
    await placed.publish({ id: 'a' });
    await placed.publish({ id: 'b' });
    await until('a round has begun', () => steps.length === 1);
    const stopped = service.stop().then(() => steps.push('stopped'));
    goOn();
    await Promise.all([loop, stopped]);
    expect(steps).toEqual(['began a', 'ended a', 'stopped']);
  });

  it('may be what ends everything, in the middle of a round', async () => {
    const subscription = placed.subscribe();
    await subscription.ready;
    const began = performance.now();
    const rounds: string[] = [];
    const loop = (async () => {
      for await (const { value } of subscription) {
        await close();
        rounds.push(value.id);
      }
    })();
    await placed.publish({ id: 'a' });
    await loop;
    expect(rounds).toEqual(['a']);
    expect(performance.now() - began).toBeLessThan(9_000);
  });

  it('fails where it cannot be, in the loop', async () => {
    await expect(collected(topic<Placed>('no name').subscribe()).ended).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    await expect(placed.publish({ id: 1n } as never)).rejects.toMatchObject({
      code: 'invalid_argument',
      detail: expect.stringContaining('topic orders.placed: id is a bigint'),
    });
  });
});

function raise(): never {
  throw new MicroError('invalid_argument', 'no order');
}
