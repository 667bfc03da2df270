import { describe, expect, it } from 'vitest';
import { Catalog } from './catalog.js';
import { encodeContent } from './content.js';
import { OwnRegistrations } from './own-registrations.js';

const keyOf = (id: number) => ({ namespace: 'micro', name: 'a', version: '1', id: String(id) });

describe('what a registry has registered', () => {
  it('does not grow by what is over', () => {
    let now = 0;
    const own = new OwnRegistrations<{ readonly id: number; readonly expires: number }>(
      ({ expires }) => expires <= now,
    );
    for (let id = 0; id < 10_000; id++, now++) {
      own.set(keyOf(id), { id, expires: now + 100 });
      expect(own.size).toBeLessThanOrEqual(300);
    }
    const kept = new Set(own.values().map(({ id }) => id));
    for (let id = 9_901; id < 10_000; id++) expect(kept).toContain(id);
  });

  it('keeps everything that is not, each node once', () => {
    const own = new OwnRegistrations<number>(() => false);
    for (let id = 0; id < 1_000; id++) for (const value of [-1, id]) own.set(keyOf(id), value);
    own.delete(keyOf(7));
    expect(own.values()).toEqual(Array.from({ length: 1_000 }, (_, id) => id).filter((id) => id !== 7));
  });

  it('is over when a catalog has it no more', () => {
    const catalog = new Catalog();
    const { content, hash } = encodeContent({ name: 'a', version: '1', metadata: {}, endpoints: [], nodes: [] });
    const node = { id: '1', address: '127.0.0.1:1', metadata: {} };
    expect(catalog.hasNode(keyOf(1))).toBe(false);
    catalog.put({ ...keyOf(1), node, content, hash, since: 1, ttl: 30_000 });
    catalog.flush();
    expect(catalog.hasNode(keyOf(1))).toBe(true);
    expect(catalog.hasNode(keyOf(2))).toBe(false);
    catalog.remove(keyOf(1));
    expect(catalog.hasNode(keyOf(1))).toBe(false);
    catalog.close();
  });
});
