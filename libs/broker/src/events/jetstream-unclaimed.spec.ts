import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Given } from './jetstream-group-state.js';
import { Unclaimed } from './jetstream-unclaimed.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const terms = (inFlight: number) => ({ ackWait: 1_000, maxDeliveries: 5, backoff: 0, inFlight });
const given = (offset: number): Given => ({ offset, attempt: 1, token: offset, replayed: false });

it('what a consumer did not wait for is its next, in order, and nobody else has it', () => {
  const back: number[] = [];
  const unclaimed = new Unclaimed(({ offset }) => back.push(offset));
  const [mine, others] = [terms(64), terms(64)];
  for (const offset of [3, 1, 2]) unclaimed.keep(given(offset), mine);
  expect(unclaimed.take(others)).toBeUndefined();
  expect(unclaimed.take(mine, 1)).toBeUndefined();
  expect(unclaimed.take(mine, 3)?.offset).toBe(1);
  expect(unclaimed.take(mine)?.offset).toBe(2);
  vi.advanceTimersByTime(10_000);
  expect(back).toEqual([3]);
  expect(unclaimed.take(mine)).toBeUndefined();
});
