import { expect, it } from 'vitest';
import { median, rounds } from './rounds.mjs';

it('takes the middle, or the mean of the two middle ones', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 7])).toBe(6);
});

it('measures the sides in turn', async () => {
  const order: string[] = [];
  const result = await rounds(
    { a: 1, b: 10 },
    {
      count: 3,
      progress: () => undefined,
      measure: async (side: number, name: string) => {
        order.push(name);
        return { rate: side * order.length };
      },
    },
  );
  expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
  expect(result).toEqual({ a: { rate: 3 }, b: { rate: 40 } });
});
