import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { BlobsRig } from '../blobs.contract.js';
import type { Blobs } from '../blobs.js';
import { all, bytes, text } from './content.fixture.js';

/** What keys, databases and tables may be called, each apart from the others. */
export function namingContract(rig: BlobsRig): void {
  const { write, read, keys } = rig;
  let blobs: Blobs;
  let database: string;
  beforeEach(() => void ({ blobs, database } = rig));

  describe('keys', () => {
    const odd = [
      '.',
      '..',
      '../../etc/passwd',
      '/',
      '/a',
      'a/',
      'a//b',
      '\\',
      'a\0b',
      '\0',
      ' ',
      'a ',
      '\n',
      '%',
      '_',
      '*',
      '%2e',
      '~',
      '@a',
      'a.blob',
      '.hidden',
      'con',
      'nul.txt',
      'A',
      'a',
      'é',
      'e\u0301',
      '挨拶',
      '👋',
      '\u{10ffff}',
      '\uffff',
      '__proto__',
      'x'.repeat(1_024),
      'X'.repeat(1_024),
      'x'.repeat(1_023),
      '/'.repeat(1_024),
      '👋'.repeat(256),
    ];

    it('are any text, each its own, in the order of their bytes', async () => {
      await Promise.all(odd.map((key) => write(key, `of ${key}`)));
      expect(await keys()).toEqual([...odd].sort((one, other) => Buffer.compare(bytes(one), bytes(other))));
      for (const key of odd) expect(await read(key)).toBe(`of ${key}`);
      for (const key of odd.slice(0, 10)) await blobs.delete(key, { database });
      expect(await keys()).toHaveLength(odd.length - 10);
    });

    it.each([
      ['an empty one', ''],
      ['one of 1,025 bytes', 'x'.repeat(1_025)],
      ['one of 1,028 bytes in 257 characters', '👋'.repeat(257)],
      ['one of 10,000 characters', 'x'.repeat(10_000)],
      ['half a character', 'a\ud800'],
    ])('are not %s', async (_what, key) => {
      const refused = { code: 'invalid_argument', id: 'store' };
      await expect(write(key, '')).rejects.toMatchObject(refused);
      await expect(blobs.read(key, { database })).rejects.toMatchObject(refused);
      await expect(blobs.info(key, { database })).rejects.toMatchObject(refused);
      await expect(blobs.delete(key, { database })).rejects.toMatchObject(refused);
    });
  });

  describe('databases and tables', () => {
    it('are apart, whatever they are called', async () => {
      const places = ['a', 'A', '.', '..', 'micro', '-', 'x'.repeat(100), 'X'.repeat(100)].flatMap((table) => [
        { database, table },
        { database: `${database}.`, table },
      ]);
      await Promise.all(places.map((place) => blobs.write('k', [bytes(JSON.stringify(place))], place)));
      for (const place of places) {
        expect(text(await all((await blobs.read('k', place)).content))).toBe(JSON.stringify(place));
        expect((await blobs.list(place)).blobs).toHaveLength(1);
      }
      await blobs.delete('k', places[0]);
      await expect(blobs.info('k', places[0])).rejects.toMatchObject({ code: 'not_found' });
      expect(await blobs.info('k', places[1])).toMatchObject({ key: 'k' });
    });

    it('are micro where they are not said', async () => {
      const key = randomUUID();
      await blobs.write(key, []);
      expect((await blobs.info(key, { database: 'micro', table: 'micro' })).key).toBe(key);
      await blobs.delete(key);
    });

    it.each(['', 'a/b', 'a b', 'ä', 'a\0', '../a', 'x'.repeat(101)])('are not called %j', async (name) => {
      const refused = { code: 'invalid_argument' };
      await expect(blobs.write('a', [], { database: name })).rejects.toMatchObject(refused);
      await expect(blobs.read('a', { database, table: name })).rejects.toMatchObject(refused);
      await expect(blobs.list({ database, table: name })).rejects.toMatchObject(refused);
    });
  });
}
