import { expect, it } from 'vitest';
import { Turns } from './etcd-turns.js';

it('does what belongs to one key in order, other things meanwhile, and goes on after an error', async () => {
  const turns = new Turns();
  const done: string[] = [];
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const first = turns.take(['a', 'b'], async () => {
    await held;
    done.push('a b');
    throw new Error('failed');
  });
  const second = turns.take(['b', 'c'], async () => done.push('b c'));
  const third = turns.take(['c'], async () => done.push('c'));
  await turns.take(['d'], async () => done.push('d'));
  expect(done).toEqual(['d']);
  const over = turns.over().then(() => done.push('over'));
  release();
  await expect(first).rejects.toThrow('failed');
  await Promise.all([second, third, over]);
  expect(done).toEqual(['d', 'a b', 'b c', 'c', 'over']);
  expect(await turns.take(['a', 'b', 'c'], async () => 'free')).toBe('free');
});
