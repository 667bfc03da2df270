import { client, serve, type Served, topic } from '@micro/service';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Level, Stock } from '../proto/stock.micro.js';
import { handlers } from './stock.js';

const stock = client(Stock);
let service: Served;

beforeEach(async () => {
  service = await serve(Stock, handlers, { profile: 'test', signals: false });
});
afterEach(() => service.stop());

it('puts goods on the shelf, once a delivery', async () => {
  await stock.restock({ delivery: '1', item: 'tea', quantity: 10 });
  expect(await stock.restock({ delivery: '1', item: 'tea', quantity: 10 })).toEqual({
    item: 'tea',
    available: 10,
    reserved: 0,
  });
  expect(await stock.restock({ delivery: '2', item: 'tea', quantity: 5 })).toEqual({
    item: 'tea',
    available: 15,
    reserved: 0,
  });
  await expect(stock.look({ item: 'coffee' })).rejects.toMatchObject({ code: 'not_found' });
});

it('sets goods aside, once an order, and refuses once what there is not', async () => {
  await stock.restock({ delivery: '1', item: 'tea', quantity: 3 });
  expect(await stock.reserve({ order: 'a', item: 'tea', quantity: 2 })).toEqual({ reserved: true });
  expect(await stock.reserve({ order: 'a', item: 'tea', quantity: 2 })).toEqual({ reserved: true });
  expect(await stock.reserve({ order: 'b', item: 'tea', quantity: 2 })).toEqual({ reserved: false });
  expect(await stock.look({ item: 'tea' })).toEqual({ item: 'tea', available: 1, reserved: 2 });
  await stock.restock({ delivery: '2', item: 'tea', quantity: 9 });
  expect(await stock.reserve({ order: 'b', item: 'tea', quantity: 2 })).toEqual({ reserved: false });
  expect(await stock.reserve({ order: 'c', item: 'coffee', quantity: 1 })).toEqual({ reserved: false });
});

it('loses nothing where everyone comes at once, and twice', async () => {
  await stock.restock({ delivery: '1', item: 'tea', quantity: 30 });
  const orders = Array.from({ length: 40 }, (_, n) => ({ order: `order-${n >> 1}`, item: 'tea', quantity: 2 }));
  const answers = await Promise.all(orders.map((order) => stock.reserve(order)));
  orders.forEach((_, n) => expect(answers[n]).toEqual(answers[n ^ 1]));
  expect(answers.filter(({ reserved }) => reserved)).toHaveLength(30);
  expect(await stock.look({ item: 'tea' })).toEqual({ item: 'tea', available: 0, reserved: 30 });
});

it('tells those who look on', async () => {
  await using levels = topic<Level>('stock.levels').subscribe();
  await levels.ready;
  await stock.restock({ delivery: '1', item: 'tea', quantity: 3 });
  for await (const { value } of levels) {
    expect(value).toEqual({ item: 'tea', available: 3, reserved: 0 });
    break;
  }
});

it.each([
  { item: 'tea', quantity: 1 },
  { order: 'a', quantity: 1 },
  { order: 'a', item: 'tea' },
])('asks for what is missing in %j', async (request) => {
  await expect(stock.reserve(request)).rejects.toMatchObject({ code: 'invalid_argument' });
});
