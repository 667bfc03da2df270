import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { entryVersion, packedEntry, parsedEntry, ServerClock } from './jetstream-entries.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'Date'] }));
afterEach(() => void vi.useRealTimers());

it('the clock of the servers goes on by itself, is set again in time, and not by what took long', () => {
  const clock = new ServerClock();
  expect([clock.isSet, clock.isOld]).toEqual([false, true]);
  const sent = performance.now();
  clock.set(1_000_000, { sent, took: 5_000 });
  // Better than nothing, until there is better.
  expect([clock.isSet, clock.isOld, clock.now()]).toEqual([true, true, 1_000_000]);
  clock.set(2_000_000, { sent, took: 5 });
  expect([clock.isOld, clock.now()]).toEqual([false, 2_000_000]);
  vi.setSystemTime(0);
  vi.advanceTimersByTime(59_000);
  expect([clock.isOld, clock.now()]).toEqual([false, 2_059_000]);
  vi.advanceTimersByTime(2_000);
  expect(clock.isOld).toBe(true);
  clock.set(3_000_000, { sent: performance.now(), took: 101 });
  expect(clock.now()).toBe(2_061_000);
  clock.set(3_000_000, { sent: performance.now(), took: 99 });
  expect([clock.isOld, clock.now()]).toEqual([false, 3_000_000]);
});

it('an entry of a newer version is refused', () => {
  const entry = { v: entryVersion, by: 'me', n: 1, at: 2, acts: [] };
  expect(parsedEntry(packedEntry(entry))).toEqual(entry);
  expect(() => parsedEntry(packedEntry({ ...entry, v: entryVersion + 1 }))).toThrow(/newer/);
});
