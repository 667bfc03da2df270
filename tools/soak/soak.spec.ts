import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { growth, soak } from './soak.mjs';

/** `.ci/run` gives it ten. In one minute memory says nothing yet, but failures and descriptors do. */
const minutes = Number(process.env['MICRO_SOAK_MINUTES'] ?? 1);
const isLinux = existsSync('/proc/self/smaps_rollup');

describe.skipIf(!isLinux)('a whole platform under mixed load', () => {
  it(
    `for ${minutes} min: nothing fails, descriptors and memory do not grow`,
    { timeout: (minutes + 5) * 60_000 },
    async () => {
      const found = await soak({ minutes, rate: 5, progress: (line: string) => console.log(line) });
      console.table(found.rows);
      console.log(found.memory);
      expect(found.failures).toEqual([]);
      expect(found.grown).toEqual([]);
      // Each kind of work was done all the time.
      for (const [what, times] of Object.entries(found.done as Record<string, number>))
        expect(times, what).toBeGreaterThan(minutes * 10);
      expect(Object.keys(found.done).length).toBeGreaterThan(12);
      if (minutes >= 10) expect(found.memory.ratio).toBeLessThanOrEqual(1 + growth);
    },
  );
});
