import { beforeEach, describe, expect, it } from 'vitest';
import type { Capabilities } from '../capabilities.js';
import type { Store } from '../store.js';
import type { ContractRig } from '../store.contract.js';
import { bytes, soon, text } from './records.fixture.js';

/** What others see, and what is there after it is closed. */
export function leavingContract(rig: ContractRig, capabilities: Capabilities): void {
  const { write, read, another } = rig;
  let store: Store;
  let database: string;
  beforeEach(() => void ({ store, database } = rig));

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
    const all = async <T>(items: AsyncIterable<T>) => {
      for await (const item of items) throw new Error(`it gave ${JSON.stringify(item)}`);
    };
    await expect(all(store.snapshot(database))).rejects.toMatchObject(closed);
    await expect((async () => all(store.watch({ database })))()).rejects.toMatchObject(closed);
    const none = async function* () {};
    await expect(store.restore(none(), database)).rejects.toMatchObject(closed);
  });

  it('gives up a restore whose records never go on when it is closed', async () => {
    let isWaiting = false;
    const endless = async function* () {
      yield { table: 'micro', record: { key: 'a', value: bytes('new'), metadata: {}, expiresAt: undefined } };
      isWaiting = true;
      await new Promise(() => undefined);
    };
    const restoring = store.restore(endless(), database);
    const refused = expect(restoring).rejects.toMatchObject({ code: 'unavailable' });
    await expect.poll(() => isWaiting, soon).toBe(true);
    await store.close();
    await refused;
  });
}
