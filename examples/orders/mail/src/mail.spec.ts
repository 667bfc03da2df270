import { client, serve, type Served, stream } from '@micro/service';
import { until } from '@micro/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Mail } from '../proto/mail.micro.js';
import { handlers, writeLetters } from './mail.js';

const mail = client(Mail);
const placed = stream<object>('orders.placed');
const tea = { id: 'a', customer: 'ann@example.com', item: 'tea', quantity: 2, reserved: true };
let service: Served;
let writing: Promise<void>;

beforeEach(async () => {
  service = await serve(Mail, handlers, { profile: 'test', signals: false });
  writing = writeLetters();
});
afterEach(async () => {
  await service.stop();
  await writing;
});

const letter = (order: string) => until(`a letter about ${order}`, () => mail.get({ order }).catch(() => undefined));
const undelivered = async () => {
  const failures = [];
  for await (const failure of mail.undelivered({})) failures.push(failure);
  return failures;
};

it('writes one letter an order, though the event comes again', async () => {
  await placed.publish(tea);
  expect(await letter('a')).toEqual({ order: 'a', to: 'ann@example.com', text: 'Your 2 × tea will be with you soon.' });
  await placed.publish({ ...tea, quantity: 3 });
  await placed.publish({ ...tea, id: 'b', reserved: false });
  expect(await letter('b')).toMatchObject({ text: 'We are out of tea.' });
  expect(await letter('a')).toMatchObject({ text: 'Your 2 × tea will be with you soon.' });
  expect(await undelivered()).toEqual([]);
});

it('keeps what has no address as a dead letter, and writes it when that is mended', async () => {
  await placed.publish({ ...tea, customer: 'ann' });
  await placed.publish({ ...tea, id: 'b', customer: 'bob' });
  await placed.publish({ ...tea, id: 'c' });
  await letter('c');
  const ann = { order: 'a', address: 'ann', reason: '"ann" is no address' };
  const bob = { order: 'b', address: 'bob', reason: '"bob" is no address' };
  await until('both are dead letters', async () => (await undelivered()).length === 2);
  expect(await undelivered()).toEqual([ann, bob]);
  await expect(mail.get({ order: 'a' })).rejects.toMatchObject({ code: 'not_found' });

  await expect(mail.correct({ address: 'ann', right: 'anna' })).rejects.toMatchObject({ code: 'invalid_argument' });
  expect(await mail.correct({ address: 'ann', right: 'ann@example.com' })).toEqual({ replayed: 1 });
  expect(await letter('a')).toMatchObject({ to: 'ann@example.com' });
  expect(await undelivered()).toEqual([bob]);
  // Known from now on.
  await placed.publish({ ...tea, id: 'd', customer: 'ann' });
  expect(await letter('d')).toMatchObject({ to: 'ann@example.com' });
});
