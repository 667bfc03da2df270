import { randomBytes, randomUUID } from 'node:crypto';
import { MicroError } from '@micro/errors';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Capabilities } from './capabilities.js';
import { type NewRecord, type SnapshotRecord, type Store, type StoreEvent, storeLimits } from './store.js';

export interface StoreContractOptions {
  readonly capabilities: Capabilities;
  /** A store that sees what others opened here see, and what they saw before, where the capabilities say so. The suite closes it. */
  readonly open: () => Promise<Store>;
}

const testTimeout = 30_000;
const soon = { timeout: 10_000, interval: 5 };

/** The contract of store.ts, run on an adapter. */
export function storeContract(adapter: string, { capabilities, open }: StoreContractOptions): void {
  describe(`${adapter} store`, { timeout: testTimeout }, () => {
    let opened: Store[];
    let store: Store;
    /** Of no other test. */
    let database: string;

    const another = async () => {
      const one = await open();
      opened.push(one);
      return one;
    };
    const write = (key: string, value = 'value', more: Partial<NewRecord> = {}) =>
      store.write({ key, value: bytes(value), ...more }, { database });
    const read = async (key: string, from = store) => text((await from.read(key, { database })).value);
    const keys = async (options: Parameters<Store['list']>[0] = {}) =>
      (await store.list({ database, ...options })).records.map(({ key }) => key);
    /** Every page. */
    const paged = async (
      options: Parameters<Store['list']>[0],
      between: () => Promise<unknown> = async () => undefined,
    ) => {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.list({ database, ...options, cursor });
        found.push(...page.records.map(({ key }) => key));
        cursor = page.cursor;
        await between();
      } while (cursor !== undefined);
      return found;
    };

    beforeEach(async () => {
      opened = [];
      database = `d-${randomUUID()}`;
      store = await another();
    });
    afterEach(async () => {
      await Promise.all(opened.map((one) => one.close()));
    });

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
        await expect(
          store.write({ key: 'a', value: bytes('') }, { database, ifVersion: version }),
        ).rejects.toMatchObject({ code: 'aborted' });
        const again = await store.write({ key: 'a', value: bytes('') }, { database, ifVersion: 0n });
        expect(again.version).toBeGreaterThan(version);
      });

      it('makes a table and a database vanish with their last record', async () => {
        await write('a', 'x', { ttl: 50 });
        await expect.poll(() => store.tables(database), soon).toEqual([]);
        expect(await store.databases()).not.toContain(database);
      });
    });

    describe('conditions', () => {
      it('let a change through that knows what is there', async () => {
        const first = await store.write({ key: 'a', value: bytes('1') }, { database, ifVersion: 0n });
        const second = await store.write({ key: 'a', value: bytes('2') }, { database, ifVersion: first.version });
        await store.delete('a', { database, ifVersion: second.version });
        expect(await keys()).toEqual([]);
      });

      it('refuse one that does not, with aborted', async () => {
        const { version } = await write('a', 'kept');
        for (const ifVersion of [0n, version + 1n]) {
          await expect(store.write({ key: 'a', value: bytes('no') }, { database, ifVersion })).rejects.toMatchObject({
            code: 'aborted',
          });
          await expect(store.delete('a', { database, ifVersion })).rejects.toMatchObject({ code: 'aborted' });
        }
        await expect(store.delete('b', { database, ifVersion: version })).rejects.toMatchObject({ code: 'aborted' });
        expect(await read('a')).toBe('kept');
      });

      it('lose no update of many at once', async () => {
        const others = capabilities.shared === 'instance' ? [store] : [store, await another(), await another()];
        await write('n', '0');
        const increment = async (by: Store) => {
          for (;;) {
            const { value, version } = await by.read('n', { database });
            try {
              return await by.write(
                { key: 'n', value: bytes(String(Number(text(value)) + 1)) },
                { database, ifVersion: version },
              );
            } catch (error) {
              if (MicroError.from(error).code !== 'aborted') throw error;
            }
          }
        };
        await Promise.all(Array.from({ length: 64 }, (_, index) => increment(others[index % others.length] as Store)));
        expect(await read('n')).toBe('64');
      });
    });

    describe('a transaction', () => {
      it('makes all its changes, and tells the versions', async () => {
        const [a, b, c] = [await write('a'), await write('b'), await write('c')];
        const versions = await store.transact(
          [
            { type: 'write', record: { key: 'a', value: bytes('new') }, ifVersion: a.version },
            { type: 'delete', key: 'b', ifVersion: b.version },
            { type: 'check', key: 'c', ifVersion: c.version },
            { type: 'check', key: 'none', ifVersion: 0n },
            { type: 'write', record: { key: 'd', value: bytes('d') } },
          ],
          { database },
        );
        expect(versions).toEqual([
          (await store.read('a', { database })).version,
          0n,
          c.version,
          0n,
          (await store.read('d', { database })).version,
        ]);
        expect(await keys()).toEqual(['a', 'c', 'd']);
      });

      it('makes none where one condition does not hold', async () => {
        const { version } = await write('a', 'kept');
        const changes = [
          { type: 'write', record: { key: 'new', value: bytes('') } },
          { type: 'delete', key: 'a' },
        ] as const;
        for (const condition of [
          { type: 'check', key: 'x', ifVersion: 1n },
          { type: 'delete', key: 'x', ifVersion: version },
        ] as const) {
          await expect(store.transact([...changes, condition], { database })).rejects.toMatchObject({
            code: 'aborted',
            detail: expect.stringContaining('"x"'),
          });
        }
        expect([await keys(), await read('a')]).toEqual([['a'], 'kept']);
      });

      it('is seen whole by readers', async () => {
        const both = async (value: string) =>
          store.transact(
            ['x', 'y'].map((key) => ({ type: 'write', record: { key, value: bytes(value) } }) as const),
            { database },
          );
        await both('0');
        let over = false;
        const writing = (async () => {
          for (let n = 1; n <= 50; n++) await both(String(n));
          over = true;
        })();
        while (!over) {
          const { records } = await store.list({ database });
          expect(new Set(records.map(({ value }) => text(value))).size).toBeLessThanOrEqual(1);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await writing;
      });
    });

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

    describe('a watch', () => {
      /** What it has told so far. */
      const follow = (watch: AsyncIterable<StoreEvent>) => {
        const told: string[] = [];
        const over = (async () => {
          for await (const event of watch)
            told.push(
              event.type === 'written'
                ? `${event.record.key}=${text(event.record.value)}`
                : event.type === 'deleted'
                  ? `-${event.key}`
                  : 'synced',
            );
        })();
        return { told, over };
      };

      it('tells what is there, then what changes', async () => {
        await write('b', '1');
        await write('a', '1');
        const ending = new AbortController();
        const { told, over } = follow(store.watch({ database, signal: ending.signal }));
        await expect.poll(() => told, soon).toEqual(['a=1', 'b=1', 'synced']);
        await write('c', '1');
        await expect.poll(() => told.at(-1), soon).toBe('c=1');
        await store.delete('b', { database });
        await expect.poll(() => told.at(-1), soon).toBe('-b');
        await write('a', '2');
        await expect.poll(() => told.at(-1), soon).toBe('a=2');
        ending.abort();
        await over;
      });

      it('tells of its prefix and its table alone', async () => {
        const { told } = follow(store.watch({ database, prefix: 'a%' }));
        await expect.poll(() => told, soon).toEqual(['synced']);
        await write('ab');
        await store.write({ key: 'a%1', value: bytes('x') }, { database, table: 'other' });
        await write('a%2', 'x');
        await expect.poll(() => told, soon).toEqual(['synced', 'a%2=x']);
      });

      it('tells of what expires as deleted', async () => {
        const { told } = follow(store.watch({ database }));
        await expect.poll(() => told, soon).toEqual(['synced']);
        await write('a', '1', { ttl: 100 });
        await expect.poll(() => told.at(-1), soon).toBe('-a');
      });

      it('tells a slow consumer the last state, and never an older one after it', async () => {
        const watch = store.watch({ database })[Symbol.asyncIterator]();
        expect((await watch.next()).value).toEqual({ type: 'synced' });
        for (let n = 1; n <= 20; n++) await write('a', String(n));
        const seen: number[] = [];
        while (seen.at(-1) !== 20) {
          const { value } = await watch.next();
          if (value?.type === 'written') seen.push(Number(text(value.record.value)));
        }
        expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
        await watch.return?.();
      });

      it('loses nothing between what is there and what changes', async () => {
        let over = false;
        const writing = (async () => {
          for (let n = 0; !over; n++) {
            await write(`k${n % 10}`, String(n));
            await new Promise((resolve) => setImmediate(resolve));
          }
        })();
        for (let round = 0; round < 5; round++) {
          const { told } = follow(store.watch({ database }));
          await expect.poll(() => told.includes('synced'), soon).toBe(true);
          const first = told.filter((one) => one !== 'synced');
          await expect.poll(() => told.length > first.length + 5, soon).toBe(true);
        }
        over = true;
        await writing;
        const { told } = follow(store.watch({ database }));
        await expect.poll(() => told.at(-1), soon).toBe('synced');
        const { records } = await store.list({ database });
        expect(told.slice(0, -1)).toEqual(records.map(({ key, value }) => `${key}=${text(value)}`));
      });

      it('ends when it is let go of, and with its store', async () => {
        const { over } = follow(store.watch({ database, signal: AbortSignal.abort() }));
        await over;
        for await (const event of store.watch({ database })) {
          expect(event.type).toBe('synced');
          break;
        }
        const { over: closing, told } = follow(store.watch({ database }));
        await expect.poll(() => told, soon).toEqual(['synced']);
        await store.close();
        await closing.catch((error: unknown) => expect(MicroError.from(error).code).toBe('unavailable'));
      });
    });

    describe('a snapshot', () => {
      const all = async (records: AsyncIterable<SnapshotRecord>) => {
        const found: SnapshotRecord[] = [];
        for await (const record of records) found.push(record);
        return found;
      };
      async function* given(...records: SnapshotRecord[]) {
        yield* records;
      }

      it('holds everything in a database, and is restored to another', async () => {
        await write('a', '1', { metadata: { m: 'x' } });
        await write('b', '2', { ttl: 60_000 });
        await store.write({ key: 'a', value: bytes('3') }, { database, table: 'other' });
        const taken = await all(store.snapshot(database));
        expect(taken.map(({ table, record }) => `${table}/${record.key}=${text(record.value)}`)).toEqual([
          'micro/a=1',
          'micro/b=2',
          'other/a=3',
        ]);
        const copy = `${database}-copy`;
        await store.write({ key: 'gone', value: bytes('x') }, { database: copy });
        expect(await store.restore(given(...taken), copy)).toBe(3);
        expect(await all(store.snapshot(copy))).toEqual(taken);
        expect(await store.tables(copy)).toEqual(['micro', 'other']);
      });

      it('gives new versions, so that who read before has to read again', async () => {
        const { version } = await write('a', '1');
        await store.restore(store.snapshot(database), database);
        expect((await store.read('a', { database })).version).toBeGreaterThan(version);
      });

      it.each([Number.NaN, 1.5, 2 ** 63, Number.POSITIVE_INFINITY])(
        'is refused with a record that expires at %s',
        async (expiresAt) => {
          await write('kept');
          const record = { key: 'a', value: bytes('value'), metadata: {}, expiresAt };
          const restoring = store.restore(given({ table: 'micro', record }), database);
          await expect(restoring).rejects.toMatchObject({ code: 'invalid_argument' });
          expect(await keys()).toEqual(['kept']);
        },
      );

      it('changes nothing when it breaks off', async () => {
        await write('a', 'kept');
        const breaking = async function* () {
          yield { table: 'micro', record: { key: 'b', value: bytes(''), metadata: {}, expiresAt: undefined } };
          throw new MicroError('data_loss', 'the rest is missing');
        };
        await expect(store.restore(breaking(), database)).rejects.toMatchObject({ code: 'data_loss' });
        expect([await keys(), await read('a')]).toEqual([['a'], 'kept']);
      });

      it('leaves out what has expired meanwhile, and tells watchers what changed', async () => {
        await write('a', '1');
        const told: string[] = [];
        void (async () => {
          for await (const event of store.watch({ database }))
            told.push(
              event.type === 'written'
                ? `${event.record.key}=${text(event.record.value)}`
                : event.type === 'deleted'
                  ? `-${event.key}`
                  : 'synced',
            );
        })().catch(() => undefined);
        await expect.poll(() => told, soon).toEqual(['a=1', 'synced']);
        const record = (key: string, expiresAt?: number) => ({
          table: 'micro',
          record: { key, value: bytes('new'), metadata: {}, expiresAt },
        });
        expect(await store.restore(given(record('b'), record('c', 1)), database)).toBe(1);
        await expect.poll(() => [...told].sort(), soon).toEqual(['-a', 'a=1', 'b=new', 'synced']);
      });
    });

    describe('other instances', () => {
      it(
        capabilities.shared === 'instance' ? 'see nothing of it' : 'see the same at once, and are told of changes',
        async () => {
          const other = await another();
          await write('a', 'one');
          if (capabilities.shared === 'instance') {
            await expect(other.read('a', { database })).rejects.toMatchObject({ code: 'not_found' });
            return;
          }
          expect(await read('a', other)).toBe('one');
          const told: string[] = [];
          void (async () => {
            for await (const event of other.watch({ database }))
              told.push(event.type === 'written' ? text(event.record.value) : event.type);
          })().catch(() => undefined);
          await expect.poll(() => told, soon).toEqual(['one', 'synced']);
          await write('a', 'two');
          await expect.poll(() => told.at(-1), soon).toBe('two');
          await store.delete('a', { database });
          await expect.poll(() => told.at(-1), soon).toBe('deleted');
        },
      );

      it(
        capabilities.survives === 'nothing' ? 'find nothing when it is closed' : 'find it all when it is closed',
        async () => {
          const { version } = await write('a', 'kept');
          await store.close();
          const later = await another();
          if (capabilities.survives === 'nothing')
            await expect(later.read('a', { database })).rejects.toMatchObject({ code: 'not_found' });
          else expect(await later.read('a', { database })).toMatchObject({ version, value: bytes('kept') });
        },
      );
    });

    it('answers nothing once it is closed', async () => {
      await store.close();
      await store.close();
      const closed = { code: 'unavailable' };
      await expect(store.read('a', { database })).rejects.toMatchObject(closed);
      await expect(write('a')).rejects.toMatchObject(closed);
      await expect(store.delete('a', { database })).rejects.toMatchObject(closed);
      await expect(store.list({ database })).rejects.toMatchObject(closed);
      await expect(store.databases()).rejects.toMatchObject(closed);
      await expect(store.tables()).rejects.toMatchObject(closed);
    });
  });
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}
