import { expect, it } from 'vitest';
import { untilInterrupted } from './interrupt.js';

const listeners = () => process.listenerCount('SIGINT') + process.listenerCount('SIGTERM');

it.each(['SIGINT', 'SIGTERM'] as const)('%s ends it in good order, and errors of the end are none', async (name) => {
  const before = listeners();
  const ended = untilInterrupted(async (signal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    throw new Error('cut off');
  });
  process.emit(name);
  await ended;
  expect(listeners()).toBe(before);
});

it('what fails by itself fails, and a second signal is nobody’s', async () => {
  const ofInterrupt = process.listenerCount('SIGINT');
  await expect(untilInterrupted(async () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  const held = untilInterrupted(async (signal) => {
    process.emit('SIGINT');
    expect(signal.aborted).toBe(true);
    // The next SIGINT has Node's own effect.
    expect(process.listenerCount('SIGINT')).toBe(ofInterrupt);
  });
  await held;
});
