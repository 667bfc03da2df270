import { describe, expect, it } from 'vitest';
import { Catalog } from './catalog.js';

const soon = { timeout: 10_000, interval: 10 };
const placement = (id: string, ttl: number) => ({
  namespace: 'micro',
  name: 'a',
  version: '1',
  node: { id, address: '127.0.0.1:1', metadata: {} },
  content: { metadata: {}, endpoints: [] },
  hash: 'h',
  since: 1,
  ttl,
});

/** Keeps the process from doing anything else. */
function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

describe('the clock of a catalog', () => {
  it('ends what is not renewed, at whatever fraction of a millisecond its timer fires', async () => {
    let expired = 0;
    const catalogs = Array.from({ length: 2_000 }, () => new Catalog(() => expired++));
    for (const catalog of catalogs) {
      catalog.put(placement('a', 20 + Math.random() * 100));
      catalog.flush();
    }
    await expect.poll(() => expired, soon).toBe(catalogs.length);
  });

  it('does not take its own standstill for the silence of others', async () => {
    const expired: string[] = [];
    const catalog = new Catalog(({ id }) => expired.push(id));
    catalog.put(placement('a', 300));
    catalog.flush();
    block(2_000);
    expect(catalog.get('micro', 'a')).toHaveLength(1);
    catalog.renew({ namespace: 'micro', name: 'a', version: '1', id: 'a' }, 300);
    expect(expired).toEqual([]);
    await expect.poll(() => expired, soon).toEqual(['a']);
    catalog.close();
  });
});
