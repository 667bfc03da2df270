import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { BlobsRig } from '../blobs.contract.js';
import type { Blobs } from '../blobs.js';
import { all, cut, later, text } from './content.fixture.js';

/** Content that comes back as it was written, whole and in part. */
export function contentContract(rig: BlobsRig): void {
  const { write, read } = rig;
  let blobs: Blobs;
  let database: string;
  beforeEach(() => void ({ blobs, database } = rig));

  describe('content', () => {
    it('comes back as it was written, with what is known of it', async () => {
      const before = Date.now();
      const content = randomBytes(3_000_000);
      const metadata = { owner: 'me', ключ: 'значение', empty: '' };
      const info = await blobs.write('a', cut(content, 70_001), { database, contentType: 'image/png', metadata });
      const sha256 = createHash('sha256').update(content).digest('hex');
      expect(info).toEqual({
        key: 'a',
        size: 3_000_000,
        sha256,
        modifiedAt: info.modifiedAt,
        contentType: 'image/png',
        metadata,
      });
      expect(info.modifiedAt).toBeGreaterThanOrEqual(before - 1_000);
      expect(info.modifiedAt).toBeLessThanOrEqual(Date.now() + 1_000);
      expect(await blobs.info('a', { database })).toEqual(info);
      const reading = await blobs.read('a', { database });
      expect(reading.info).toEqual(info);
      const parts = await all(reading.content);
      expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(1024 * 1024);
      expect(Buffer.concat(parts).equals(content)).toBe(true);
    });

    it('may be empty, of any iterable, and has a type of its own if none is given', async () => {
      for (const empty of [[], [new Uint8Array()], later([])]) {
        const info = await blobs.write('empty', empty, { database });
        expect(info).toMatchObject({ size: 0, contentType: 'application/octet-stream', metadata: {} });
        expect(await read('empty')).toBe('');
      }
    });

    it('comes in pieces of any size', async () => {
      const piece = fc.uint8Array({ maxLength: 100_000 });
      const property = fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (parts) => {
        await blobs.write('any', later(parts), { database });
        const back = Buffer.concat(await all((await blobs.read('any', { database })).content));
        expect(back.equals(Buffer.concat(parts))).toBe(true);
      });
      await fc.assert(property, { numRuns: 25 });
    });

    it('is taken before the writer goes on, which may use its memory again', async () => {
      const memory = new Uint8Array(10);
      async function* reused() {
        for (let value = 1; value <= 3; value++) yield memory.fill(value);
      }
      await blobs.write('reused', reused(), { database });
      const content = Buffer.concat(await all((await blobs.read('reused', { database })).content));
      expect([content[0], content[10], content[20]]).toEqual([1, 2, 3]);
    });

    it('keeps metadata that means something to JavaScript', async () => {
      const metadata = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
      await blobs.write('odd', [], { database, metadata });
      const info = await blobs.info('odd', { database });
      expect(Object.entries(info.metadata).sort()).toEqual(Object.entries(metadata).sort());
    });

    it('may be read once', async () => {
      await write('a', 'content');
      const { content } = await blobs.read('a', { database });
      expect(text(await all(content))).toBe('content');
      await expect(all(content)).rejects.toMatchObject({ code: 'failed_precondition' });
    });
  });

  describe('a range', () => {
    const content = randomBytes(600_000);
    beforeEach(() => blobs.write('a', [content], { database }).then(() => undefined));
    const range = async (offset?: number, length?: number) =>
      Buffer.concat(await all((await blobs.read('a', { database, offset, length })).content));

    it.each([
      [0, 1],
      [1, 1],
      [0, 600_000],
      [599_999, 1],
      [599_999, 100],
      [300_000, 200_000],
      [0, Number.MAX_SAFE_INTEGER],
    ])('from %d, %d bytes', async (offset, length) => {
      expect((await range(offset, length)).equals(content.subarray(offset, offset + length))).toBe(true);
    });

    it('to the end, and at the end nothing', async () => {
      expect((await range(500_000)).equals(content.subarray(500_000))).toBe(true);
      expect((await range(600_000)).length).toBe(0);
      await expect(range(600_001)).rejects.toMatchObject({ code: 'out_of_range', id: 'store' });
    });

    it('comes with what is known of the whole', async () => {
      expect((await blobs.read('a', { database, offset: 5, length: 5 })).info.size).toBe(600_000);
    });

    it.each([{ offset: -1 }, { offset: 0.5 }, { offset: Number.NaN }, { length: 0 }, { length: -1 }, { length: 1.5 }])(
      'is not %j',
      async (options) => {
        await expect(blobs.read('a', { database, ...options })).rejects.toMatchObject({ code: 'invalid_argument' });
      },
    );
  });
}
