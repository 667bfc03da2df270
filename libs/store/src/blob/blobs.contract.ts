import { createHash, randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Capabilities } from '../capabilities.js';
import type { BlobInfo, Blobs } from './blobs.js';

export interface BlobsContractOptions {
  readonly capabilities: Capabilities;
  /** Blobs that see what others opened here see, and what they saw before, where the capabilities say so. The suite closes them. */
  readonly open: () => Promise<Blobs>;
}

const testTimeout = 30_000;
const soon = { timeout: 10_000, interval: 5 };
/** More than a network, a disk and what has not been collected yet hold of 256 MiB. */
const onTheWay = 128 * 1024 * 1024;

/** The contract of blobs.ts, run on an adapter. */
export function blobsContract(adapter: string, { capabilities, open }: BlobsContractOptions): void {
  describe(`${adapter} blobs`, { timeout: testTimeout }, () => {
    let opened: Blobs[];
    let blobs: Blobs;
    /** Of no other test. */
    let database: string;

    const another = async () => {
      const one = await open();
      opened.push(one);
      return one;
    };
    const write = (key: string, text: string, from: Blobs = blobs) => from.write(key, [bytes(text)], { database });
    const read = async (key: string, from: Blobs = blobs) =>
      text(await all((await from.read(key, { database })).content));
    const keys = async (prefix = '') => (await blobs.list({ database, prefix })).blobs.map(({ key }) => key);

    beforeEach(async () => {
      opened = [];
      database = `d-${randomUUID()}`;
      blobs = await another();
    });
    afterEach(async () => {
      await Promise.all(opened.map((one) => one.close()));
    });

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

      it.each([
        { offset: -1 },
        { offset: 0.5 },
        { offset: Number.NaN },
        { length: 0 },
        { length: -1 },
        { length: 1.5 },
      ])('is not %j', async (options) => {
        await expect(blobs.read('a', { database, ...options })).rejects.toMatchObject({ code: 'invalid_argument' });
      });
    });

    describe('keys', () => {
      const odd = [
        '.',
        '..',
        '../../etc/passwd',
        '/',
        '/a',
        'a/',
        'a//b',
        '\\',
        'a\0b',
        '\0',
        ' ',
        'a ',
        '\n',
        '%',
        '_',
        '*',
        '%2e',
        '~',
        '@a',
        'a.blob',
        '.hidden',
        'con',
        'nul.txt',
        'A',
        'a',
        'é',
        'e\u0301',
        '挨拶',
        '👋',
        '\u{10ffff}',
        '\uffff',
        '__proto__',
        'x'.repeat(1_024),
        'X'.repeat(1_024),
        'x'.repeat(1_023),
        '/'.repeat(1_024),
        '👋'.repeat(256),
      ];

      it('are any text, each its own, in the order of their bytes', async () => {
        await Promise.all(odd.map((key) => write(key, `of ${key}`)));
        expect(await keys()).toEqual([...odd].sort((one, other) => Buffer.compare(bytes(one), bytes(other))));
        for (const key of odd) expect(await read(key)).toBe(`of ${key}`);
        for (const key of odd.slice(0, 10)) await blobs.delete(key, { database });
        expect(await keys()).toHaveLength(odd.length - 10);
      });

      it.each([
        ['an empty one', ''],
        ['one of 1,025 bytes', 'x'.repeat(1_025)],
        ['one of 1,028 bytes in 257 characters', '👋'.repeat(257)],
        ['one of 10,000 characters', 'x'.repeat(10_000)],
        ['half a character', 'a\ud800'],
      ])('are not %s', async (_what, key) => {
        const refused = { code: 'invalid_argument', id: 'store' };
        await expect(write(key, '')).rejects.toMatchObject(refused);
        await expect(blobs.read(key, { database })).rejects.toMatchObject(refused);
        await expect(blobs.info(key, { database })).rejects.toMatchObject(refused);
        await expect(blobs.delete(key, { database })).rejects.toMatchObject(refused);
      });
    });

    describe('databases and tables', () => {
      it('are apart, whatever they are called', async () => {
        const places = ['a', 'A', '.', '..', 'micro', '-', 'x'.repeat(100), 'X'.repeat(100)].flatMap((table) => [
          { database, table },
          { database: `${database}.`, table },
        ]);
        await Promise.all(places.map((place) => blobs.write('k', [bytes(JSON.stringify(place))], place)));
        for (const place of places) {
          expect(text(await all((await blobs.read('k', place)).content))).toBe(JSON.stringify(place));
          expect((await blobs.list(place)).blobs).toHaveLength(1);
        }
        await blobs.delete('k', places[0]);
        await expect(blobs.info('k', places[0])).rejects.toMatchObject({ code: 'not_found' });
        expect(await blobs.info('k', places[1])).toMatchObject({ key: 'k' });
      });

      it('are micro where they are not said', async () => {
        const key = randomUUID();
        await blobs.write(key, []);
        expect((await blobs.info(key, { database: 'micro', table: 'micro' })).key).toBe(key);
        await blobs.delete(key);
      });

      it.each(['', 'a/b', 'a b', 'ä', 'a\0', '../a', 'x'.repeat(101)])('are not called %j', async (name) => {
        const refused = { code: 'invalid_argument' };
        await expect(blobs.write('a', [], { database: name })).rejects.toMatchObject(refused);
        await expect(blobs.read('a', { database, table: name })).rejects.toMatchObject(refused);
        await expect(blobs.list({ database, table: name })).rejects.toMatchObject(refused);
      });
    });

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

    describe('listing', () => {
      it('is by prefix, by the bytes of the keys', async () => {
        const named = ['a', 'a/b', 'a/b/c', 'a0', 'b', 'A', '\uffff', '\u{10000}', 'é'];
        for (const key of named) await write(key, key);
        expect(await keys()).toEqual(['A', 'a', 'a/b', 'a/b/c', 'a0', 'b', 'é', '\uffff', '\u{10000}']);
        expect(await keys('a/')).toEqual(['a/b', 'a/b/c']);
        expect(await keys('a/b/c')).toEqual(['a/b/c']);
        for (const prefix of ['%', '_', '*', '.', 'c']) expect(await keys(prefix)).toEqual([]);
      });

      it('says of each blob what info says', async () => {
        const infos: BlobInfo[] = [];
        for (const key of ['a', 'b', 'c'])
          infos.push(await blobs.write(key, [bytes(key)], { database, contentType: 'text/plain', metadata: { key } }));
        expect(await blobs.list({ database })).toEqual({ blobs: infos, cursor: undefined });
      });

      it('goes on behind a page, also where keys begin alike', async () => {
        const long = 'l'.repeat(300);
        const named = [
          ...Array.from({ length: 25 }, (_, at) => `k${at}`),
          long,
          `${long}a`,
          `${long}/b`,
          'l',
          `${'l'.repeat(1_000)}é`,
        ];
        await Promise.all(named.map((key) => write(key, '')));
        const sorted = [...named].sort((one, other) => Buffer.compare(bytes(one), bytes(other)));
        for (const limit of [1, 2, 7, 30, 10_000]) {
          const found: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await blobs.list({ database, limit, cursor });
            expect(page.blobs.length).toBeLessThanOrEqual(limit);
            found.push(...page.blobs.map(({ key }) => key));
            cursor = page.cursor;
          } while (cursor !== undefined);
          expect(found).toEqual(sorted);
        }
      });

      it('misses and repeats nothing that stays while others write and delete', async () => {
        for (let at = 0; at < 10; at++) await write(`k${at}`, '');
        const first = await blobs.list({ database, limit: 5 });
        await blobs.delete('k4', { database });
        await write('k00', '');
        const second = await blobs.list({ database, limit: 10, cursor: first.cursor });
        expect(second.blobs.map(({ key }) => key)).toEqual(['k5', 'k6', 'k7', 'k8', 'k9']);
      });

      it('carries as much metadata as there may be', async () => {
        const metadata = { long: 'x'.repeat(16_000) };
        const named = Array.from({ length: 300 }, (_, at) => `k${at}`);
        await Promise.all(named.map((key) => blobs.write(key, [], { database, metadata })));
        let found = 0;
        let cursor: string | undefined;
        do {
          const page = await blobs.list({ database, cursor });
          found += page.blobs.length;
          cursor = page.cursor;
        } while (cursor !== undefined);
        expect(found).toBe(300);
      });

      it.each([
        { limit: 0 },
        { limit: 10_001 },
        { limit: 1.5 },
        { cursor: '' },
        { cursor: 'x' },
        { cursor: '../..' },
        { prefix: '\ud800' },
      ])('is refused with %j', async (options) => {
        await expect(blobs.list({ database, ...options })).rejects.toMatchObject({
          code: 'invalid_argument',
          id: 'store',
        });
      });

      it('of nothing is empty', async () => {
        expect(await blobs.list({ database })).toEqual({ blobs: [], cursor: undefined });
      });
    });

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
  });
}

function bytes(of: string): Uint8Array {
  return new TextEncoder().encode(of);
}

function text(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString();
}

async function all(content: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return parts;
}

async function rest(iterator: AsyncIterator<Uint8Array>, most = Number.POSITIVE_INFINITY): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  while (parts.length < most) {
    const next = await iterator.next();
    if (next.done) break;
    parts.push(next.value);
  }
  return parts;
}

function* cut(content: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < content.length; start += size) yield content.subarray(start, start + size);
}

async function* later(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await Promise.resolve();
    yield part;
  }
}
