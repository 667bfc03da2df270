import { expect, it } from 'vitest';
import { guarantees, isCurrent } from './guarantees.mjs';

it('docs/guarantees.md is what the adapters declare: write it anew with `node tools/docs/guarantees.mjs`', async () => {
  expect(await isCurrent()).toBe(true);
});

it('says no where an adapter promises nothing', async () => {
  const page = await guarantees();
  expect(page).toMatch(/\| kept through a power cut +\| no +\| yes +\| yes +\|/);
  expect(page).toMatch(/key 2 KiB, value 2 MiB/);
});
