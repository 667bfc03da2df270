import { beforeEach, describe, expect, it } from 'vitest';
import type { BlobsRig } from '../blobs.contract.js';
import type { BlobInfo, Blobs } from '../blobs.js';
import { bytes } from './content.fixture.js';

/** Lists of blobs, page by page. */
export function listingContract(rig: BlobsRig): void {
  const { write, keys } = rig;
  let blobs: Blobs;
  let database: string;
  beforeEach(() => void ({ blobs, database } = rig));

  describe('listing', () => {
    it('is by prefix, by the bytes of the keys', async () => {
      const named = ['a', 'a/b', 'a/b/c', 'a0', 'b', 'A', '\uffff', '\u{10000}', 'é'];
      for (const key of named) await write(key, key);
      expect(await keys()).toEqual(['A', 'a', 'a/b', 'a/b/c', 'a0', 'b', 'é', '\uffff', '\u{10000}']);
      expect(await keys('a/')).toEqual(['a/b', 'a/b/c']);
      expect(await keys('a/b/c')).toEqual(['a/b/c']);
      for (const prefix of ['%', '_', '*', '.', 'c']) expect(await keys(prefix)).toEqual([]);
    });

    it('says of each blob what info says', async () => {
      const infos: BlobInfo[] = [];
      for (const key of ['a', 'b', 'c'])
        infos.push(await blobs.write(key, [bytes(key)], { database, contentType: 'text/plain', metadata: { key } }));
      expect(await blobs.list({ database })).toEqual({ blobs: infos, cursor: undefined });
    });

    it('goes on behind a page, also where keys begin alike', async () => {
      const long = 'l'.repeat(300);
      const named = [
        ...Array.from({ length: 25 }, (_, at) => `k${at}`),
        long,
        `${long}a`,
        `${long}/b`,
        'l',
        `${'l'.repeat(1_000)}é`,
      ];
      await Promise.all(named.map((key) => write(key, '')));
      const sorted = [...named].sort((one, other) => Buffer.compare(bytes(one), bytes(other)));
      for (const limit of [1, 2, 7, 30, 10_000]) {
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await blobs.list({ database, limit, cursor });
          expect(page.blobs.length).toBeLessThanOrEqual(limit);
          found.push(...page.blobs.map(({ key }) => key));
          cursor = page.cursor;
        } while (cursor !== undefined);
        expect(found).toEqual(sorted);
      }
    });

    it('misses and repeats nothing that stays while others write and delete', async () => {
      for (let at = 0; at < 10; at++) await write(`k${at}`, '');
      const first = await blobs.list({ database, limit: 5 });
      await blobs.delete('k4', { database });
      await write('k00', '');
      const second = await blobs.list({ database, limit: 10, cursor: first.cursor });
      expect(second.blobs.map(({ key }) => key)).toEqual(['k5', 'k6', 'k7', 'k8', 'k9']);
    });

    it('carries as much metadata as there may be', async () => {
      const metadata = { long: 'x'.repeat(16_000) };
      const named = Array.from({ length: 300 }, (_, at) => `k${at}`);
      await Promise.all(named.map((key) => blobs.write(key, [], { database, metadata })));
      let found = 0;
      let cursor: string | undefined;
      do {
        const page = await blobs.list({ database, cursor });
        found += page.blobs.length;
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(found).toBe(300);
    });

    it.each([
      { limit: 0 },
      { limit: 10_001 },
      { limit: 1.5 },
      { cursor: '' },
      { cursor: 'x' },
      { cursor: '../..' },
      { prefix: '\ud800' },
    ])('is refused with %j', async (options) => {
      await expect(blobs.list({ database, ...options })).rejects.toMatchObject({
        code: 'invalid_argument',
        id: 'store',
      });
    });

    it('of nothing is empty', async () => {
      expect(await blobs.list({ database })).toEqual({ blobs: [], cursor: undefined });
    });
  });
}
