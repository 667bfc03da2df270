import { readFileSync } from 'node:fs';
import { client, MicroError, serve, type Served, stream } from '@micro/service';
import { workspaceRoot } from '@micro/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Orders, Status } from '../proto/orders.micro.js';
import { Stock } from '../proto/stock.micro.js';
import { handlers, takeUp } from './orders.js';

const orders = client(Orders);
const placed = stream<object>('orders.placed');
const tea = { id: 'a', customer: 'ann@example.com', item: 'tea', quantity: 2 };

/** What stands in for the other service: asked by whom, and what it answers. */
let asked: string[];
let answer: () => { reserved: boolean };
let services: Served[];

beforeEach(async () => {
  asked = [];
  answer = () => ({ reserved: true });
  const stock = {
    reserve: ({ order }: { order: string }) => (asked.push(order), answer()),
    restock: () => ({}),
    look: () => ({}),
  };
  const options = { profile: 'test', signals: false } as const;
  services = [await serve(Stock, stock, options), await serve(Orders, handlers, options)];
});
afterEach(async () => {
  for (const service of services) await service.stop();
});

const events = async () => (await placed.read()).map(({ value }) => value);
const away = () => {
  throw new MicroError('unavailable', 'stock is away');
};

it('keeps an order, has it decided, and tells of it, once', async () => {
  const decided = { ...tea, status: Status.RESERVED };
  expect(await orders.place(tea)).toEqual(decided);
  expect(await orders.place(tea)).toEqual(decided);
  expect(await orders.get({ id: 'a' })).toEqual(decided);
  expect(await events()).toEqual([{ ...tea, reserved: true }]);
  expect(asked).toEqual(['a']);
});

it('refuses what there is not', async () => {
  answer = () => ({ reserved: false });
  expect(await orders.place(tea)).toMatchObject({ status: Status.REFUSED });
  expect(await events()).toEqual([{ ...tea, reserved: false }]);
});

it('keeps an order while stock is away, and decides it when it is back', async () => {
  answer = away;
  expect(await orders.place(tea)).toMatchObject({ status: Status.PLACED });
  await takeUp();
  expect(await orders.get({ id: 'a' })).toMatchObject({ status: Status.PLACED });
  expect(await events()).toEqual([]);
  answer = () => ({ reserved: true });
  await takeUp();
  expect(await orders.get({ id: 'a' })).toMatchObject({ status: Status.RESERVED });
  expect(await events()).toHaveLength(1);
  asked.length = 0;
  await takeUp();
  expect(asked).toEqual([]);
});

it('decides an order once, though it is placed several times at once', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => orders.place(tea)));
  for (const one of answers) expect(one).toEqual({ ...tea, status: Status.RESERVED });
  expect(await events()).toHaveLength(1);
});

it('lists orders by id', async () => {
  for (const id of ['b', 'a', 'c']) await orders.place({ ...tea, id });
  const listed: string[] = [];
  for await (const { id } of orders.list({})) listed.push(id);
  expect(listed).toEqual(['a', 'b', 'c']);
});

it('does not take another order for the same', async () => {
  await orders.place(tea);
  await expect(orders.place({ ...tea, quantity: 3 })).rejects.toMatchObject({ code: 'already_exists' });
  await expect(orders.get({ id: 'b' })).rejects.toMatchObject({ code: 'not_found' });
});

it.each([{ id: '' }, { id: 'a/b' }, { item: '' }, { customer: '' }, { quantity: 0 }, { quantity: 1_001 }])(
  'asks for what is wrong in %j',
  async (wrong) => {
    await expect(orders.place({ ...tea, ...wrong })).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(asked).toEqual([]);
  },
);

it('has a copy of what stock offers now', () => {
  const [copy, original] = ['orders', 'stock'].map((name) =>
    readFileSync(`${workspaceRoot}examples/orders/${name}/proto/stock.proto`, 'utf8'),
  );
  expect(copy).toBe(original);
});
