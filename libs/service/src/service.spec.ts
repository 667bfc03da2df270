import { parseSchema, type BidiStream, type ClientStream, type ServerStream, type Unary } from '@micro/proto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { call, client, type Handlers, implement, MicroError, serve, type ServeOptions, type Served } from './index.js';

interface Item {
  name: string;
  count: number;
}
interface Total {
  count: number;
}
const schema = parseSchema({
  'orders.proto': `syntax = "proto3"; package orders;
    service Orders {
      rpc Create(Item) returns (Item) { option idempotency_level = IDEMPOTENT; }
      rpc Count(stream Item) returns (Total);
      rpc List(Total) returns (stream Item);
      rpc Echo(stream Item) returns (stream Item);
    }
    service Admin { rpc Reset(Total) returns (Total); }
    message Item { string name = 1; int32 count = 2; }
    message Total { int32 count = 1; }`,
});
const Orders = schema.service<{
  create: Unary<Item, Item>;
  count: ClientStream<Item, Total>;
  list: ServerStream<Total, Item>;
  echo: BidiStream<Item, Item>;
}>('orders.Orders');
const Admin = schema.service<{ reset: Unary<Total, Total> }>('orders.Admin');

const handlers: Handlers<typeof Orders> = {
  create: ({ name, count }) => {
    if (name === '') throw new MicroError('invalid_argument', 'name is empty');
    return { name, count: count + 1 };
  },
  async count(items) {
    let count = 0;
    for await (const item of items) count += item.count;
    return { count };
  },
  async *list({ count }) {
    for (let n = 1; n <= count; n++) yield { name: `item ${n}` };
  },
  async *echo(items) {
    yield* items;
  },
};

const test: ServeOptions = { profile: 'test', signals: false };
const served: Served[] = [];
const started = async (service: Promise<Served>) => {
  served.push(await service);
  return served.at(-1) as Served;
};
afterEach(async () => {
  for (const one of served.splice(0)) await one.stop();
});

const orders = client(Orders);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe('serve and client', () => {
  it('all four kinds of call, found by name', async () => {
    const { name, address } = await started(serve(Orders, handlers, test));
    expect(name).toBe('orders');
    expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await orders.create({ name: 'tea' })).toEqual({ name: 'tea', count: 1 });
    expect(await orders.count([{ count: 1 }, { count: 2 }])).toEqual({ count: 3 });
    expect(await all(orders.list({ count: 2 }))).toEqual([
      { name: 'item 1', count: 0 },
      { name: 'item 2', count: 0 },
    ]);
    expect(await all(orders.echo([{ name: 'a' }, { name: 'b' }]))).toMatchObject([{ name: 'a' }, { name: 'b' }]);
  });

  it('messages as large as MICRO_MESSAGE_LIMIT says, both ways', async () => {
    const large = { name: 'x'.repeat(6 * 1024 * 1024) };
    vi.stubEnv('MICRO_MESSAGE_LIMIT', String(8 * 1024 * 1024));
    try {
      await started(serve(Orders, handlers, test));
      expect((await orders.create(large)).name).toHaveLength(large.name.length);
      expect(await all(orders.echo([large]))).toHaveLength(1);
      await expect(orders.create({ name: large.name + large.name })).rejects.toMatchObject({
        code: 'resource_exhausted',
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('a handler may be a method that uses this, and knows its caller', async () => {
    class Implementation {
      readonly #suffix = '!';
      async create({ name }: Item, context: Parameters<NonNullable<Handlers<typeof Orders>['create']>>[1]) {
        return { name: `${name} of ${context.from} in ${context.namespace}${this.#suffix}` };
      }
    }
    await started(serve(Orders, new Implementation(), { ...test, name: 'shop', namespace: 'acme' }));
    expect(await client(Orders, { service: 'shop' }).create({ name: 'tea' })).toMatchObject({
      name: 'tea of shop in acme!',
    });
  });

  it('carries errors, and hides what nobody meant to show', async () => {
    await started(serve(Orders, { ...handlers, count: () => Promise.reject(new Error('password is 1234')) }, test));
    await expect(orders.create({})).rejects.toMatchObject({
      code: 'invalid_argument',
      detail: 'name is empty',
      id: 'orders',
    });
    await expect(orders.count([])).rejects.toMatchObject({
      code: 'internal',
      detail: expect.not.stringContaining('1234'),
    });
    await expect(client(Admin).reset({})).rejects.toMatchObject({ code: 'unimplemented' });
  });

  it('several services on one port', async () => {
    await started(
      serve([implement(Orders, handlers), implement(Admin, { reset: ({ count }) => ({ count: -count }) })], test),
    );
    expect(await client(Admin).reset({ count: 1 })).toEqual({ count: -1 });
    expect(await orders.create({ name: 'tea' })).toMatchObject({ name: 'tea' });
  });

  it('calls go to those that run; a service that is not there is not found', async () => {
    const first = await started(serve(Orders, { create: () => ({ name: 'first' }) }, test));
    const second = await started(serve(Orders, { create: () => ({ name: 'second' }) }, test));
    expect(first.address).not.toBe(second.address);
    const names = await Promise.all(Array.from({ length: 40 }, async () => (await orders.create({})).name));
    expect(new Set(names)).toEqual(new Set(['first', 'second']));
    await first.stop();
    expect((await orders.create({})).name).toBe('second');
    await expect(client(Orders, { service: 'nowhere' }).create({})).rejects.toMatchObject({ code: 'not_found' });
  });

  it('can be served again after all has been stopped, by the same client', async () => {
    await (await serve(Orders, handlers, test)).stop();
    await started(serve(Orders, handlers, test));
    expect(await orders.create({ name: 'tea' })).toMatchObject({ count: 1 });
  });
});

describe('call', () => {
  it('takes and gives JSON, by the name of the endpoint or its path', async () => {
    await started(serve(Orders, handlers, test));
    expect(await call('orders', 'Orders.Create', { name: 'tea' })).toEqual({ name: 'tea', count: 1 });
    expect(await call('orders', '/orders.Orders/Create', { name: 'tea' })).toEqual({ name: 'tea', count: 1 });
  });

  it('says what there is instead', async () => {
    await started(serve(Orders, handlers, test));
    await expect(call('orders', 'Orders.Make')).rejects.toMatchObject({
      code: 'not_found',
      detail: expect.stringContaining('Orders.Create'),
    });
    await expect(call('order', 'Orders.Create')).rejects.toMatchObject({
      code: 'not_found',
      detail: expect.stringContaining('order is not registered'),
    });
    await expect(call('orders', 'Orders.List')).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(call('orders', 'Orders.Create', { nam: 'tea' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('a start that cannot be', () => {
  it('says that the port is taken', async () => {
    const { address } = await started(serve(Orders, handlers, test));
    await expect(serve(Orders, handlers, { ...test, address })).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining(address),
    });
  });

  it('refuses a second profile or namespace in one process, and an address that is none', async () => {
    await started(serve(Orders, handlers, test));
    await expect(serve(Orders, handlers, { ...test, profile: 'local' })).rejects.toMatchObject({
      code: 'failed_precondition',
    });
    await expect(serve(Orders, handlers, { ...test, namespace: 'other' })).rejects.toMatchObject({
      code: 'failed_precondition',
    });
    await expect(serve(Orders, handlers, { ...test, address: 'x' })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    await expect(serve([], test)).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
