import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from './suggest.js';

describe('suggestions', () => {
  it.each([
    ['sevrer', ['server', 'services', 'status'], ['server']],
    ['stat', ['server', 'status', 'stats'], ['stats', 'status']],
    ['hellowrold', ['helloworld', 'hello'], ['helloworld']],
    ['SERVER', ['server'], ['server']],
    ['x', ['server'], []],
    ['qqqqqq', ['server', 'services'], []],
  ])('%s of %j', (word, candidates, expected) => {
    expect(nearest(word, candidates)).toEqual(expected);
  });

  it('a distance is a metric on short words, except the triangle of swaps', () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });

  it('stays quick on names of 10,000 characters', () => {
    const long = 'a'.repeat(10_000);
    expect(nearest(long, ['server', `${long.slice(0, 20)}`])).toEqual([]);
  });
});
