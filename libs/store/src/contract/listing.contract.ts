import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../store.js';
import type { ContractRig } from '../store.contract.js';
import { bytes } from './records.fixture.js';

/** Lists of records, and of what has any. */
export function listingContract(rig: ContractRig): void {
  const { write, read, keys, paged } = rig;
  let store: Store;
  let database: string;
  beforeEach(() => void ({ store, database } = rig));

  describe('a list', () => {
    it('is in the order of code points, or against it', async () => {
      const inOrder = ['\0', 'A', 'a', 'a\0', 'aa', 'b', 'é', '\uffff', '\u{10000}', '\u{10ffff}'];
      for (const key of [...inOrder].reverse()) await write(key);
      expect(await keys()).toEqual(inOrder);
      expect(await keys({ order: 'descending' })).toEqual([...inOrder].reverse());
    });

    it('takes prefix, suffix, offset and limit together', async () => {
      for (const key of ['a%1x', 'a%2x', 'a%3x', 'a_1x', 'a%1y', 'b%1x']) await write(key);
      expect(await keys({ prefix: 'a%' })).toEqual(['a%1x', 'a%1y', 'a%2x', 'a%3x']);
      expect(await keys({ prefix: 'a%', suffix: 'x' })).toEqual(['a%1x', 'a%2x', 'a%3x']);
      expect(await keys({ prefix: 'a%', suffix: 'x', offset: 1, limit: 1 })).toEqual(['a%2x']);
      expect(await keys({ prefix: 'a%', suffix: 'x', offset: 1, order: 'descending' })).toEqual(['a%2x', 'a%1x']);
      expect(await store.list({ database, prefix: 'zzz' })).toEqual({ records: [], cursor: undefined });
      expect((await store.list({ database, prefix: 'b', keysOnly: true })).records).toMatchObject([
        { key: 'b%1x', value: new Uint8Array() },
      ]);
    });

    it('goes on by cursors, while others write and delete', async () => {
      const all = Array.from({ length: 30 }, (_, index) => `k${String(index).padStart(2, '0')}`);
      for (const key of all) await write(key);
      let round = 0;
      const found = await paged({ limit: 7 }, async () => {
        await store.delete(all[round] as string, { database });
        await write(`a${round++}`);
      });
      expect(found).toEqual(all);
      expect(await paged({ limit: 4, order: 'descending', prefix: 'k1' })).toEqual(
        all.filter((key) => key.startsWith('k1')).reverse(),
      );
    });

    it('is the same by pages as at once, whatever the keys', async () => {
      const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }).filter((one) => !/\p{Cs}/u.test(one));
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(key, { maxLength: 12 }),
          fc.integer({ min: 1, max: 5 }),
          fc.string({ maxLength: 1 }),
          async (some, limit, prefix) => {
            const table = `t${randomUUID()}`;
            for (const one of some) await store.write({ key: one, value: bytes('') }, { database, table });
            const expected = some
              .filter((one) => one.startsWith(prefix))
              .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
            expect(await paged({ table, limit, prefix })).toEqual(expected);
            expect(await paged({ table, limit, prefix, order: 'descending' })).toEqual(expected.reverse());
          },
        ),
        { numRuns: 15 },
      );
    });
  });

  it('has the databases and tables that have records, and no others', async () => {
    const upper = database.toUpperCase();
    await write('a');
    await store.write({ key: 'a', value: bytes('upper') }, { database: upper, table: 'T' });
    expect(await store.tables(database)).toEqual(['micro']);
    expect(await store.tables(upper)).toEqual(['T']);
    expect(await store.tables(`${database}-none`)).toEqual([]);
    expect(await store.databases()).toEqual(expect.arrayContaining([database, upper]));
    expect(await read('a')).toBe('value');
    await store.delete('a', { database });
    expect(await store.tables(database)).toEqual([]);
    expect(await store.databases()).not.toContain(database);
  });
}
