import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseSchema } from '@micro/proto';
import { blobs, broker, close, events, MicroError, open, serve, store, table, type TypedStoreEvent } from './index.js';

interface Order {
  readonly item: string;
  readonly count: number;
}
const orders = table<Order>('orders');
const raw = (text: string) => new Uint8Array(Buffer.from(text));

beforeEach(() => open({ profile: 'test', namespace: 'shop', name: 'till' }));
afterEach(close);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe('store and blobs', () => {
  it('are in the service’s own place, unless another is named', async () => {
    await store.write({ key: 'k', value: raw('own') });
    await store.write({ key: 'k', value: raw('named') }, { table: 'other' });
    await store.write({ key: 'k', value: raw('elsewhere') }, { database: 'away', table: undefined });
    expect((await store.read('k')).value).toEqual(raw('own'));
    expect((await store.read('k', { database: 'shop', table: 'till' })).value).toEqual(raw('own'));
    expect((await store.read('k', { database: 'away', table: 'till' })).value).toEqual(raw('elsewhere'));
    expect(await store.tables()).toEqual(['other', 'till']);
    expect((await store.list()).records.map(({ key }) => key)).toEqual(['k']);
    const snapshot = await all(store.snapshot());
    expect(snapshot.map(({ table }) => table)).toEqual(['other', 'till']);
    await blobs.write('b', [raw('blob')]);
    expect((await blobs.info('b', { database: 'shop', table: 'till' })).size).toBe(4);
  });

  it('take what they are given, like broker and events, as it was when they were called', async () => {
    const heard = await broker.subscribe('t');
    const value = raw('before');
    const given = [
      store.write({ key: 'written', value }),
      store.transact([{ type: 'write', record: { key: 'transacted', value } }]),
      broker.publish('t', { body: value }),
      events.publish('s', { body: value }),
    ];
    value.set(raw('after!'));
    await Promise.all(given);
    for (const key of ['written', 'transacted']) expect((await store.read(key)).value).toEqual(raw('before'));
    expect((await events.read('s')).map(({ body }) => body)).toEqual([raw('before')]);
    for await (const { body } of heard) {
      expect(body).toEqual(raw('before'));
      break;
    }
  });

  it('stay where they were first: a service that would be called otherwise is told', async () => {
    await close();
    await open({ profile: 'test' });
    await store.write({ key: 'k', value: raw('v') });
    const Till = parseSchema({
      'till.proto':
        'syntax = "proto3"; package till; service Till { rpc Open(Open_) returns (Open_); } message Open_ {}',
    }).service('till.Till');
    await expect(serve(Till, {}, { profile: 'test', signals: false })).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining('MICRO_NAME=till'),
    });
    await close();
    const service = await serve(Till, {}, { profile: 'test', signals: false });
    await store.write({ key: 'k', value: raw('v') });
    expect(await store.tables()).toEqual(['till']);
    await service.stop();
  });
});

describe('a table', () => {
  it('reads, finds, writes and deletes values', async () => {
    await expect(orders.read('1')).rejects.toMatchObject({ code: 'not_found' });
    expect(await orders.find('1')).toBeUndefined();
    const written = await orders.write('1', { item: 'tea', count: 1 }, { metadata: { by: 'me' } });
    expect(written).toMatchObject({ key: '1', value: { item: 'tea', count: 1 }, metadata: { by: 'me' } });
    expect(await orders.read('1')).toEqual(written);
    expect((await store.read('1', { database: 'shop', table: 'orders' })).value).toEqual(
      raw('{"item":"tea","count":1}'),
    );
    await expect(orders.write('1', { item: 'tea', count: 2 }, { ifVersion: 0n })).rejects.toMatchObject({
      code: 'aborted',
    });
    await orders.write('1', { item: 'tea', count: 2 }, { ifVersion: written.version });
    await orders.delete('1');
    expect(await orders.find('1')).toBeUndefined();
  });

  it('refuses what it could not give back, and says of what is no value that it is none', async () => {
    await expect(orders.write('1', { item: 'tea', count: 1n as never })).rejects.toMatchObject({
      code: 'invalid_argument',
      detail: expect.stringContaining('table orders: count is a bigint'),
    });
    await store.write({ key: '1', value: raw('tea') }, { table: 'orders' });
    await expect(orders.read('1')).rejects.toMatchObject({
      code: 'data_loss',
      detail: expect.stringContaining('table orders'),
    });
    await expect(all(orders.list())).rejects.toMatchObject({ code: 'data_loss' });
  });

  it('updates as if nobody else wrote', async () => {
    const add = () =>
      orders.update('1', (order) => ({ item: 'tea', count: (order?.count ?? 0) + 1 }), { attempts: 1_000 });
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let n = 0; n < 10; n++) await add();
      }),
    );
    expect((await orders.read('1')).value.count).toBe(80);
  });

  it('updates nothing where there is nothing to change, keeps time and metadata, and gives up in the end', async () => {
    const { version } = await orders.write('1', { item: 'tea', count: 1 }, { ttl: 60_000, metadata: { by: 'me' } });
    expect(await orders.update('1', () => undefined)).toBeUndefined();
    expect(await orders.update('1', (order) => order ?? { item: 'none', count: 0 })).toEqual({ item: 'tea', count: 1 });
    expect((await orders.read('1')).version).toBe(version);
    await orders.update('1', (order) => {
      if (order) (order as { count: number }).count = 5;
      return order;
    });
    const after = await orders.read('1');
    expect(after).toMatchObject({ value: { count: 5 }, metadata: { by: 'me' } });
    expect(after.expiresAt).toBeGreaterThan(Date.now() + 30_000);
    const meddled = orders.update(
      '1',
      async (order) => {
        await orders.write('1', { item: 'coffee', count: (order?.count ?? 0) + 1 });
        return { item: 'tea', count: 0 };
      },
      { attempts: 3 },
    );
    await expect(meddled).rejects.toMatchObject({ code: 'aborted', detail: expect.stringContaining('3 times') });
    expect((await orders.read('1')).value).toEqual({ item: 'coffee', count: 8 });
    await expect(orders.update('1', () => Promise.reject(new MicroError('out_of_range', 'no')))).rejects.toMatchObject({
      code: 'out_of_range',
    });
  });

  it('lists all pages', async () => {
    const keys = Array.from({ length: 2_300 }, (_, n) => `k${String(n).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 500) {
      await orders.transact(
        await Promise.all(
          keys.slice(at, at + 500).map(async (key, n) => ({
            type: 'write' as const,
            record: await orders.encode(key, { item: key, count: at + n }),
          })),
        ),
      );
    }
    const listed = await all(orders.list());
    expect(listed.map(({ key }) => key)).toEqual(keys);
    expect(listed[2_222]?.value).toEqual({ item: 'k02222', count: 2_222 });
    expect(await all(orders.keys({ order: 'descending', limit: 1_500 }))).toEqual(keys.toReversed().slice(0, 1_500));
    expect(await all(orders.keys({ prefix: 'k0000', suffix: '3' }))).toEqual(['k00003']);
    for await (const { key } of orders.list()) {
      expect(key).toBe('k00000');
      break;
    }
  });

  it('watches until it is told to stop, or the service is', async () => {
    await orders.write('1', { item: 'tea', count: 1 });
    const stop = new AbortController();
    const seen: TypedStoreEvent<Order>[] = [];
    const watch = async (signal?: AbortSignal) => {
      for await (const event of orders.watch({ signal })) seen.push(event);
    };
    const watching = watch(stop.signal);
    await expect.poll(() => seen.map(({ type }) => type)).toEqual(['written', 'synced']);
    await store.write({ key: '2', value: raw('no order') }, { table: 'orders' });
    await orders.delete('1');
    await expect.poll(() => seen.slice(2)).toEqual([{ type: 'deleted', key: '1' }]);
    stop.abort();
    await watching;
    seen.length = 0;
    const again = watch();
    await expect.poll(() => seen.at(-1)?.type).toBe('synced');
    await close();
    await again;
  });
});
