import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Capabilities } from '../../capabilities.js';
import type { BlobsRig } from '../blobs.contract.js';
import type { Blobs } from '../blobs.js';
import { onTheWay, rest } from './content.fixture.js';

/** What a read holds on to, and how it ends. */
export function readingContract(rig: BlobsRig, capabilities: Capabilities): void {
  const { write } = rig;
  let blobs: Blobs;
  let database: string;
  beforeEach(() => void ({ blobs, database } = rig));

  describe('reading', () => {
    it('of what is not there is not_found', async () => {
      const missing = { code: 'not_found', id: 'store' };
      await expect(blobs.read('nothing', { database })).rejects.toMatchObject(missing);
      await expect(blobs.info('nothing', { database })).rejects.toMatchObject(missing);
      await blobs.delete('nothing', { database });
    });

    it('goes on with what it began, though that is replaced or deleted', async () => {
      const content = randomBytes(5_000_000);
      await blobs.write('a', [content], { database });
      const readings = await Promise.all([blobs.read('a', { database }), blobs.read('a', { database })]);
      const iterators = readings.map((reading) => reading.content[Symbol.asyncIterator]());
      const [first, second] = await Promise.all(iterators.map((iterator) => rest(iterator, 1)));
      await write('a', 'other');
      const one = Buffer.concat([...(first ?? []), ...(await rest(iterators[0] as AsyncIterator<Uint8Array>))]);
      await blobs.delete('a', { database });
      const two = Buffer.concat([...(second ?? []), ...(await rest(iterators[1] as AsyncIterator<Uint8Array>))]);
      expect([one.equals(content), two.equals(content)]).toEqual([true, true]);
    });

    it('may end early, or not begin', async () => {
      await blobs.write('a', [randomBytes(5_000_000)], { database });
      for (let round = 0; round < 20; round++) {
        const { content } = await blobs.read('a', { database });
        if (round % 2 === 0) for await (const _ of content) break;
        else await content[Symbol.asyncIterator]().return?.();
      }
      expect((await blobs.read('a', { database })).info.size).toBe(5_000_000);
    });

    it('is given up by its signal', async () => {
      await blobs.write('a', [randomBytes(5_000_000)], { database });
      const ending = new AbortController();
      const { content } = await blobs.read('a', { database, signal: ending.signal });
      const reading = (async () => {
        for await (const _ of content) ending.abort();
      })();
      await expect(reading).rejects.toMatchObject({ code: 'canceled', id: 'store' });
      const never = blobs.read('a', { database, signal: AbortSignal.abort() });
      await expect(never).rejects.toMatchObject({ code: 'canceled', id: 'store' });
    });

    it('of 256 MiB takes no more memory than is on the way', async () => {
      const piece = randomBytes(1024 * 1024);
      await blobs.write(
        'large',
        Array.from({ length: 256 }, () => piece),
        { database },
      );
      const { content } = await blobs.read('large', { database });
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      let size = 0;
      for await (const part of content) {
        size += part.length;
        // A reader that takes its time.
        await new Promise(setImmediate);
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
      expect(size).toBe(256 * 1024 * 1024);
      if (capabilities.survives !== 'nothing') expect(most).toBeLessThan(onTheWay);
    });
  });
}
