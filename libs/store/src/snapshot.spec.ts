import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSnapshot, encodeSnapshot } from './snapshot.js';
import type { SnapshotRecord } from './store.js';

const record = (key: string, value = new Uint8Array([1, 2, 3])): SnapshotRecord => ({
  table: 'orders',
  record: { key, value, metadata: { owner: 'me' }, expiresAt: undefined },
});

async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) taken.push(item);
  return taken;
}

const encoded = async (records: readonly SnapshotRecord[]) => Buffer.concat(await all(encodeSnapshot(each(records))));
const decoded = (bytes: Uint8Array, size = bytes.length || 1) =>
  all(
    decodeSnapshot(
      each(
        Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size)),
      ),
    ),
  );

describe('a snapshot as bytes', () => {
  it('comes back as it was, however it is cut', async () => {
    const some = fc.record({
      table: fc.stringMatching(/^[a-z]{1,9}$/),
      record: fc.record({
        key: fc.string({ unit: 'binary', minLength: 1 }),
        value: fc.uint8Array(),
        metadata: fc.dictionary(fc.string(), fc.string()),
        expiresAt: fc.option(fc.integer({ min: 1, max: 2 ** 42 }), { nil: undefined }),
      }),
    });
    const property = fc.asyncProperty(fc.array(some), fc.integer({ min: 1, max: 50 }), async (records, size) => {
      const back = await decoded(await encoded(records as SnapshotRecord[]), size);
      expect(back.map(plain)).toEqual(records.map(plain));
    });
    await fc.assert(property, { numRuns: 50 });
  });

  it('may be of nothing, and of the largest record that there is', async () => {
    expect(await decoded(await encoded([]))).toEqual([]);
    const large = record('large', new Uint8Array(2 * 1024 * 1024).fill(7));
    const [before, found, behind] = await decoded(await encoded([record('a'), large, record('b')]), 100_000);
    expect([before, behind]).toEqual([record('a'), record('b')]);
    const { value, ...rest } = large.record;
    expect(found).toMatchObject({ table: large.table, record: rest });
    // Byte by byte an assertion takes longer than all else.
    expect(Buffer.compare(found?.record.value as Uint8Array, value)).toBe(0);
  });

  it('is refused when it is cut off, wherever', async () => {
    const whole = await encoded([record('a'), record('b')]);
    for (let length = 0; length < whole.length; length++) {
      await expect(decoded(whole.subarray(0, length))).rejects.toMatchObject({ code: 'data_loss', id: 'store' });
    }
  });

  it('is refused when a bit has changed, wherever, and when something follows', async () => {
    const whole = await encoded([record('a'), record('b')]);
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
      await expect(decoded(flipped)).rejects.toMatchObject({ code: 'data_loss' });
    }
    await expect(decoded(Buffer.concat([whole, Buffer.alloc(1)]))).rejects.toMatchObject({ code: 'data_loss' });
    await expect(decoded(Buffer.from('{"a":1}\n'.repeat(99)))).rejects.toMatchObject({ code: 'data_loss' });
  });

  it('leaves its source when its reader leaves', async () => {
    let left = false;
    const whole = await encoded([record('a'), record('b')]);
    async function* source() {
      try {
        for (const byte of whole) yield Uint8Array.of(byte);
      } finally {
        left = true;
      }
    }
    for await (const _ of decodeSnapshot(source())) break;
    expect(left).toBe(true);
  });
});

function plain({ table, record: { key, value, metadata, expiresAt } }: SnapshotRecord) {
  return { table, key, value: [...value], metadata: Object.entries(metadata).sort(), expiresAt };
}
