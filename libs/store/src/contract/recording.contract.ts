import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Store, storeLimits } from '../store.js';
import type { ContractRig } from '../store.contract.js';
import { bytes, soon } from './records.fixture.js';

/** What a record is, what is refused, and what expires. */
export function recordingContract(rig: ContractRig): void {
  const { write, read, keys } = rig;
  let store: Store;
  let database: string;
  beforeEach(() => void ({ store, database } = rig));

  describe('a record', () => {
    it('comes back as it was written', async () => {
      const value = randomBytes(1_000);
      const metadata = { owner: 'me', ключ: 'значение', empty: '' };
      const written = await store.write({ key: 'a', value, metadata }, { database });
      expect(written).toEqual({
        key: 'a',
        value: new Uint8Array(value),
        metadata,
        expiresAt: undefined,
        version: written.version,
      });
      expect(written.version).toBeGreaterThan(0n);
      expect(await store.read('a', { database })).toEqual(written);
    });

    it('is not found where there is none', async () => {
      await expect(store.read('a', { database })).rejects.toMatchObject({ code: 'not_found' });
      await write('a');
      await expect(store.read('a', { database, table: 'other' })).rejects.toMatchObject({ code: 'not_found' });
      await expect(store.read('a', { database: `${database}x` })).rejects.toMatchObject({ code: 'not_found' });
      await store.delete('a', { database });
      await expect(store.read('a', { database })).rejects.toMatchObject({ code: 'not_found' });
      await store.delete('a', { database });
    });

    it('replaces the one before, with its metadata and expiry', async () => {
      await write('a', 'one', { metadata: { a: 'b' }, ttl: 60_000 });
      const second = await write('a', 'two');
      expect(second).toMatchObject({ metadata: {}, expiresAt: undefined });
      expect(await read('a')).toBe('two');
    });

    it('has a version that grows with each write, over deletions too', async () => {
      const versions = [(await write('a')).version, (await write('a')).version];
      await store.delete('a', { database });
      versions.push((await write('a')).version);
      expect(versions).toEqual([...versions].sort((one, other) => (one < other ? -1 : 1)));
      expect(new Set(versions).size).toBe(3);
    });

    it('is nobody else’s to change: what is given and what is got are copies', async () => {
      const value = bytes('mine');
      const metadata = { owner: 'me' };
      const writing = store.write({ key: 'a', value, metadata }, { database });
      const transacting = store.transact([{ type: 'write', record: { key: 'b', value, metadata } }], { database });
      value.fill(0);
      metadata.owner = 'you';
      await Promise.all([writing, transacting]);
      for (const key of ['a', 'b']) {
        (await store.read(key, { database })).value.fill(0);
        expect(await store.read(key, { database })).toMatchObject({
          value: bytes('mine'),
          metadata: { owner: 'me' },
        });
      }
    });

    it.each([
      ['every plane of Unicode', 'aé–漢🦊\u{10ffff}'],
      ['a NUL', 'a\0b'],
      ['control characters', '\x01\x1f\x7f\r\n\t'],
      ['what means something elsewhere', '%_*?[a]\\../..//;\'"--'],
      ['a name of Object', '__proto__'],
      ['as many bytes as there may be', 'k'.repeat(storeLimits.keyBytes)],
      ['one character', '\0'],
    ])('may have a key with %s', async (_, key) => {
      await write(key, 'x', { metadata: { ['__proto__']: 'kept', constructor: 'too' } });
      const { metadata } = await store.read(key, { database });
      expect(Object.entries(metadata)).toEqual([
        ['__proto__', 'kept'],
        ['constructor', 'too'],
      ]);
      expect(await keys({ prefix: key })).toEqual([key]);
      expect(await keys({ suffix: key })).toEqual([key]);
      await store.delete(key, { database });
      expect(await keys()).toEqual([]);
    });

    it.each([
      ['empty', 0],
      ['of one byte', 1],
      ['as large as there may be', storeLimits.valueBytes],
    ])('may have a value that is %s', async (_, size) => {
      const value = randomBytes(size);
      await store.write({ key: 'a', value }, { database });
      expect(Buffer.compare((await store.read('a', { database })).value, value)).toBe(0);
      expect((await store.list({ database })).records[0]?.value.length).toBe(size);
    });
  });

  describe('what is refused, and changes nothing', () => {
    const refused = (promise: Promise<unknown>, words: string) =>
      expect(promise).rejects.toMatchObject({ code: 'invalid_argument', detail: expect.stringContaining(words) });

    it('keys', async () => {
      await refused(store.read('', { database }), 'empty');
      await refused(write('k'.repeat(10_000)), '10000 bytes');
      await refused(write('é'.repeat(1_025)), '2050 bytes');
      await refused(write('a\ud800'), 'surrogate');
      await refused(store.delete('', { database }), 'empty');
      await refused(store.list({ database, prefix: '\udc00' }), 'surrogate');
      expect(await keys()).toEqual([]);
    });

    it('values, metadata and times to live', async () => {
      await refused(store.write({ key: 'a', value: new Uint8Array(64 * 1024 * 1024) }, { database }), 'blob');
      await refused(write('a', 'x', { metadata: { a: 'x'.repeat(17_000) } }), 'metadata');
      for (const ttl of [0, -1, 1e16, Infinity, Number.NaN]) await refused(write('a', 'x', { ttl }), 'ttl');
      expect(await keys()).toEqual([]);
    });

    it('names of databases and tables', async () => {
      for (const name of ['', 'a/b', 'a b', 'é', 'x'.repeat(101), 'a\0']) {
        await refused(store.read('a', { database: name }), 'database');
        await refused(store.write({ key: 'a', value: bytes('') }, { database, table: name }), 'table');
      }
    });

    it('pages', async () => {
      for (const limit of [0, -1, 1.5, 10_001]) await refused(store.list({ database, limit }), 'limit');
      await refused(store.list({ database, offset: -1 }), 'offset');
      await refused(store.list({ database, cursor: 'nonsense' }), 'cursor');
      await refused(store.list({ database, order: 'sideways' as 'ascending' }), 'order');
    });

    it('transactions', async () => {
      await refused(store.transact([], { database }), 'at least one');
      const change = (key: string) => ({ type: 'write', record: { key, value: bytes('') } }) as const;
      await refused(store.transact([change('a'), change('a')], { database }), 'twice');
      await refused(
        store.transact(
          Array.from({ length: storeLimits.changes + 1 }, (_, index) => change(`${index}`)),
          { database },
        ),
        'at most',
      );
      const large = (key: string) =>
        ({ type: 'write', record: { key, value: new Uint8Array(storeLimits.valueBytes) } }) as const;
      await refused(store.transact([large('a'), large('b')], { database }), 'bytes');
      expect(await keys()).toEqual([]);
    });
  });

  describe('expiry', () => {
    it('makes a record invisible at once, to everything', async () => {
      const before = Date.now();
      const { expiresAt, version } = await write('a', 'x', { ttl: 100 });
      expect(expiresAt).toBeGreaterThanOrEqual(before + 100 - 1_000);
      await write('b', 'x', { ttl: 60_000 });
      expect(await keys()).toEqual(['a', 'b']);
      await expect.poll(() => keys(), soon).toEqual(['b']);
      await expect(store.read('a', { database })).rejects.toMatchObject({ code: 'not_found' });
      await expect(store.write({ key: 'a', value: bytes('') }, { database, ifVersion: version })).rejects.toMatchObject(
        { code: 'aborted' },
      );
      const again = await store.write({ key: 'a', value: bytes('') }, { database, ifVersion: 0n });
      expect(again.version).toBeGreaterThan(version);
    });

    it('makes a table and a database vanish with their last record', async () => {
      await write('a', 'x', { ttl: 50 });
      await expect.poll(() => store.tables(database), soon).toEqual([]);
      expect(await store.databases()).not.toContain(database);
    });
  });
}
