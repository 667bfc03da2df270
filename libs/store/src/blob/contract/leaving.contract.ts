import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Capabilities } from '../../capabilities.js';
import type { BlobsRig } from '../blobs.contract.js';
import type { Blobs } from '../blobs.js';
import { bytes } from './content.fixture.js';

/** What is under way when it is closed, what others see, and what is there afterwards. */
export function leavingContract(rig: BlobsRig, capabilities: Capabilities): void {
  const { write, read, keys, another } = rig;
  let blobs: Blobs;
  let database: string;
  beforeEach(() => void ({ blobs, database } = rig));

  describe('closing', () => {
    it('gives up what is under way, and refuses what comes later', async () => {
      await blobs.write('a', [randomBytes(5_000_000)], { database });
      const { content } = await blobs.read('a', { database });
      async function* endless() {
        yield bytes('a');
        await new Promise(() => undefined);
      }
      const over = { code: 'unavailable', id: 'store' };
      const writing = expect(blobs.write('b', endless(), { database })).rejects.toMatchObject(over);
      const reading = expect(
        (async () => {
          for await (const _ of content) await blobs.close();
        })(),
      ).rejects.toMatchObject(over);
      await Promise.all([writing, reading]);
      await blobs.close();
      await expect(blobs.read('a', { database })).rejects.toMatchObject(over);
      await expect(blobs.info('a', { database })).rejects.toMatchObject(over);
      await expect(blobs.list({ database })).rejects.toMatchObject(over);
      await expect(blobs.delete('a', { database })).rejects.toMatchObject(over);
      await expect(blobs.write('a', [], { database })).rejects.toMatchObject(over);
    });
  });

  describe('who sees it', () => {
    it(capabilities.shared === 'instance' ? 'is this instance alone' : 'is whoever opens the same', async () => {
      await write('a', 'content');
      const other = await another();
      if (capabilities.shared === 'instance') {
        await expect(other.read('a', { database })).rejects.toMatchObject({ code: 'not_found' });
        return;
      }
      expect(await read('a', other)).toBe('content');
      await write('a', 'changed', other);
      expect(await read('a')).toBe('changed');
      await other.delete('a', { database });
      expect(await keys()).toEqual([]);
    });

    it(capabilities.survives === 'nothing' ? 'is nobody after the end' : 'is whoever opens it again', async () => {
      await write('a', 'content');
      await blobs.close();
      const next = await another();
      const found = (await next.list({ database })).blobs.map(({ key }) => key);
      expect(found).toEqual(capabilities.survives === 'nothing' ? [] : ['a']);
    });
  });
}
