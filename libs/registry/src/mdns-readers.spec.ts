import { expect, it } from 'vitest';
import { Readers } from './mdns-readers.js';

it('remembers those that are read and those in which there is something, and not for ever all others', async () => {
  const looked: string[] = [];
  const readers = new Readers(
    async (namespace) => void looked.push(namespace),
    (namespace) => namespace !== 'inhabited',
  );
  let end: (() => void) | undefined;
  const watching = readers.reading('watched', () => new Promise<void>((resolve) => (end = resolve)));
  await readers.reading('inhabited', () => undefined);
  for (let index = 0; index < 3_000; index++) await readers.reading(`n${index}`, () => undefined);
  expect(readers.size).toBeLessThanOrEqual(1_001);
  expect([readers.has('watched'), readers.has('inhabited'), readers.has('n0')]).toEqual([true, true, false]);
  for (const namespace of ['watched', 'inhabited']) await readers.reading(namespace, () => undefined);
  expect(looked).toHaveLength(3_002);
  end?.();
  await watching;
});

it('looks around again after it could not', async () => {
  let times = 0;
  const lookAround = async () => {
    if (times++ === 0) throw new Error('no socket');
  };
  const readers = new Readers(lookAround, () => true);
  await expect(readers.reading('a', () => 1)).rejects.toThrow('no socket');
  expect(await readers.reading('a', () => 2)).toBe(2);
});
