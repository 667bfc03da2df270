import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Capabilities } from '../../capabilities.js';
import type { BlobsRig } from '../blobs.contract.js';
import type { Blobs } from '../blobs.js';
import { all, bytes, cut, onTheWay, soon } from './content.fixture.js';

/** What a write replaces, when it is seen, and what is refused. */
export function writingContract(rig: BlobsRig, capabilities: Capabilities): void {
  const { write, read, keys } = rig;
  let blobs: Blobs;
  let database: string;
  beforeEach(() => void ({ blobs, database } = rig));

  describe('writing', () => {
    it('replaces what was there, with all that was said of it', async () => {
      const first = await blobs.write('a', [bytes('one')], { database, contentType: 'a/b', metadata: { one: '1' } });
      const second = await write('a', 'second');
      expect(second.modifiedAt).toBeGreaterThanOrEqual(first.modifiedAt);
      expect(second).toMatchObject({ size: 6, contentType: 'application/octet-stream', metadata: {} });
      expect(await read('a')).toBe('second');
      expect(await keys()).toEqual(['a']);
    });

    it('is not seen before it is complete', async () => {
      await write('a', 'before');
      let go: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (go = resolve));
      async function* slow() {
        yield bytes('after');
        await gate;
      }
      const writing = [blobs.write('a', slow(), { database }), blobs.write('b', slow(), { database })];
      expect(await read('a')).toBe('before');
      expect(await keys()).toEqual(['a']);
      go();
      await Promise.all(writing);
      expect([await read('a'), await read('b')]).toEqual(['after', 'after']);
    });

    it('leaves everything as it was when its content breaks off', async () => {
      const broken = new Error('broken off');
      async function* breaking() {
        yield randomBytes(300_000);
        throw broken;
      }
      await write('a', 'before');
      await expect(blobs.write('a', breaking(), { database })).rejects.toBe(broken);
      await expect(blobs.write('b', breaking(), { database })).rejects.toBe(broken);
      expect(await read('a')).toBe('before');
      expect(await keys()).toEqual(['a']);
    });

    it('is refused when the content is not what it should hash to', async () => {
      const sha256 = createHash('sha256').update('right').digest('hex');
      expect((await blobs.write('a', [bytes('right')], { database, sha256 })).sha256).toBe(sha256);
      const wrong = blobs.write('a', [bytes('wrong')], { database, sha256 });
      await expect(wrong).rejects.toMatchObject({ code: 'data_loss', id: 'store' });
      expect(await read('a')).toBe('right');
    });

    it('is given up by its signal, also while content is waited for, which hears of it', async () => {
      const ending = new AbortController();
      let left = false;
      const endless: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => undefined),
          return: async () => {
            left = true;
            return { value: undefined, done: true };
          },
        }),
      };
      const writing = blobs.write('a', endless, { database, signal: ending.signal });
      setImmediate(() => ending.abort());
      await expect(writing).rejects.toMatchObject({ code: 'canceled', id: 'store' });
      const never = blobs.write('a', [], { database, signal: AbortSignal.abort() });
      await expect(never).rejects.toMatchObject({ code: 'canceled', id: 'store' });
      expect(await keys()).toEqual([]);
      if (!left) await expect.poll(() => left, soon).toBe(true);
    });

    it('of many at once to one key leaves one of them, whole', async () => {
      const contents = Array.from({ length: 12 }, () => randomBytes(200_000));
      const infos = await Promise.all(contents.map((content) => blobs.write('a', cut(content, 9_999), { database })));
      const { info, content } = await blobs.read('a', { database });
      const back = Buffer.concat(await all(content));
      expect(infos).toContainEqual(info);
      expect(createHash('sha256').update(back).digest('hex')).toBe(info.sha256);
    });

    it.each([
      ['a hash', { sha256: 'abc' }],
      ['a hash', { sha256: 'A'.repeat(64) }],
      ['a type', { contentType: 'a\r\nb' }],
      ['a type', { contentType: '' }],
      ['metadata', { metadata: { a: 'x'.repeat(17_000) } }],
      ['metadata', { metadata: { a: 1 as never } }],
    ])('is refused with %s that cannot be', async (_what, options) => {
      const writing = blobs.write('a', [], { database, ...options });
      await expect(writing).rejects.toMatchObject({ code: 'invalid_argument' });
    });

    it('is refused with content that is no bytes', async () => {
      const writing = blobs.write('a', ['text' as never], { database });
      await expect(writing).rejects.toMatchObject({ code: 'invalid_argument' });
      expect(await keys()).toEqual([]);
    });

    it('of 256 MiB asks for content no faster than it is taken', async () => {
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      async function* fresh() {
        for (let made = 0; made < 256; made++) {
          yield new Uint8Array(1024 * 1024).fill(made);
          most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        }
      }
      expect((await blobs.write('large', fresh(), { database })).size).toBe(256 * 1024 * 1024);
      if (capabilities.survives !== 'nothing') expect(most).toBeLessThan(onTheWay);
    });
  });
}
