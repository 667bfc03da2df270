import { MicroError } from '@micro/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Capabilities } from '../capabilities.js';
import type { Store } from '../store.js';
import type { ContractRig } from '../store.contract.js';
import { bytes, text } from './records.fixture.js';

/** Changes on conditions, and several at once. */
export function changingContract(rig: ContractRig, capabilities: Capabilities): void {
  const { write, read, keys, another } = rig;
  let store: Store;
  let database: string;
  beforeEach(() => void ({ store, database } = rig));

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
}
