import { MicroError } from '@micro/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SnapshotRecord, Store } from '../store.js';
import type { ContractRig } from '../store.contract.js';
import { bytes, soon, text } from './records.fixture.js';

/** Snapshots, and what is restored from them. */
export function restoringContract(rig: ContractRig): void {
  const { write, read, keys } = rig;
  let store: Store;
  let database: string;
  beforeEach(() => void ({ store, database } = rig));

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
      await write('b', '2', { ttl: 60_000.5 });
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

    it('with a key that comes twice has the last of it', async () => {
      const record = (text: string) => ({
        table: 'micro',
        record: { key: 'a', value: bytes(text), metadata: {}, expiresAt: undefined },
      });
      expect(await store.restore(given(record('first'), record('last')), database)).toBe(1);
      expect(await read('a')).toBe('last');
    });

    it('is put in place whole, also of several that are restored at once', async () => {
      await write('old');
      const restored = ['a', 'b', 'c'].map((name) => {
        const records = [1, 2].map((n) => ({
          table: 'micro',
          record: { key: `${name}${n}`, value: bytes(name), metadata: {}, expiresAt: undefined },
        }));
        return store.restore(given(...records), database);
      });
      expect(await Promise.all(restored)).toEqual([2, 2, 2]);
      expect([
        ['a1', 'a2'],
        ['b1', 'b2'],
        ['c1', 'c2'],
      ]).toContainEqual(await keys());
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
}
