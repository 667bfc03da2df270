import { MicroError } from '@micro/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Store, StoreEvent } from '../store.js';
import type { ContractRig } from '../store.contract.js';
import { bytes, soon, text } from './records.fixture.js';

/** What a watch tells, and how it ends. */
export function watchingContract(rig: ContractRig): void {
  const { write } = rig;
  let store: Store;
  let database: string;
  beforeEach(() => void ({ store, database } = rig));

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
}
