import { parseSchema } from '@micro/proto';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { codecOf } from './codec.js';
import { type StandardResult, Stream, stream, Table, table, Topic, topic, type TypedRecord } from './index.js';

interface Order {
  readonly id: string;
  readonly count: number;
}
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const bytes = (value: string) => new Uint8Array(Buffer.from(value));

describe('values as JSON', () => {
  const codec = codecOf<unknown>('table orders');

  it.each([
    [null],
    [true],
    ['ünï\0\u2028'],
    [0.1],
    [[]],
    [{}],
    [{ a: [1, { b: null }], '': '' }],
    [JSON.parse('{"__proto__":1}')],
  ])('%j comes back as it was', async (value) => {
    expect(await codec.decode(await codec.encode(value))).toEqual(value);
  });

  it('leaves out what is undefined, as JSON does', async () => {
    expect(text(await codec.encode({ a: undefined, b: 1 }))).toBe('{"b":1}');
  });

  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  it.each([
    [
      'a bigint',
      { total: 1n },
      'total is a bigint, which JSON does not have: write it as text, or give a schema of a .proto',
    ],
    ['bytes', { files: [{ content: new Uint8Array(1) }] }, 'files.0.content is bytes, which JSON does not have'],
    ['a buffer', Buffer.from('x'), 'the value is bytes'],
    ['a date', { at: new Date(0) }, 'at is a Date, which would be read as text'],
    ['a map', { of: new Map() }, 'of is a Map, of which JSON would keep nothing'],
    ['a set', new Set(), 'the value is a Set'],
    ['no number', [Number.NaN], '0 is NaN'],
    ['infinity', { n: -Infinity }, 'n is -Infinity'],
    ['nothing', undefined, 'the value is undefined'],
    ['a hole', [undefined], '0 is undefined'],
    ['a function', { f: () => 1 }, 'f is a function'],
    ['what makes JSON of itself', { url: new URL('http://a') }, 'url is a URL with a toJSON of its own'],
    ['what holds itself', cycle, 'or holds itself'],
  ])('refuses %s, saying where', (_what, value, reason) => {
    expect(() => codec.encode(value)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', detail: expect.stringMatching(/^table orders: /) }),
    );
    expect(() => codec.encode(value)).toThrow(reason);
  });

  it.each([
    ['no JSON', bytes('{'), 'no JSON'],
    ['no text', new Uint8Array([0xff, 0xfe]), 'no JSON'],
    ['nothing', new Uint8Array(), 'no JSON'],
  ])('calls %s lost', (_what, lost, reason) => {
    expect(() => codec.decode(lost)).toThrow(
      expect.objectContaining({ code: 'data_loss', detail: expect.stringContaining(reason) }),
    );
  });
});

describe('a schema', () => {
  const positive = {
    parse(value: unknown): Order {
      const { id, count } = value as Order;
      if (!(count > 0)) throw new Error('count is not positive');
      return { id, count };
    },
  };
  const later = {
    '~standard': {
      version: 1 as const,
      vendor: 'here',
      validate: async (value: unknown) => {
        const { at } = value as { at: string | Date };
        const date = new Date(at);
        const result: StandardResult<{ at: Date }> = Number.isNaN(date.getTime())
          ? { issues: [{ message: 'no date', path: ['at', { key: 0 }] }] }
          : { value: { at: date } };
        return result;
      },
    },
  };

  it('with parse checks what is written and what is read', async () => {
    const codec = codecOf('table orders', positive);
    expect(text(await codec.encode({ id: 'a', count: 1, more: true } as Order))).toBe('{"id":"a","count":1}');
    await expect(async () => codec.encode({ id: 'a', count: 0 })).rejects.toMatchObject({
      code: 'invalid_argument',
      detail: 'table orders: count is not positive',
    });
    await expect(async () => codec.decode(bytes('{"count":0}'))).rejects.toMatchObject({
      code: 'data_loss',
      detail: 'table orders holds what it should not: count is not positive',
    });
  });

  it('of the standard does, too, and may read what JSON does not have', async () => {
    const codec = codecOf('topic x', later);
    const at = new Date(1_000);
    expect(await codec.decode(await codec.encode({ at }))).toEqual({ at });
    await expect(codec.encode({ at: 'never' } as never)).rejects.toMatchObject({
      code: 'invalid_argument',
      detail: 'topic x: at.0: no date',
    });
    await expect(codec.decode(bytes('{"at":"never"}'))).rejects.toMatchObject({ code: 'data_loss' });
  });

  it('of a .proto keeps messages as protobuf, 64-bit numbers and bytes included', async () => {
    interface Blob64 {
      total: bigint;
      content: Uint8Array;
    }
    const codec = codecOf<Blob64>(
      'stream x',
      parseSchema({
        'b.proto': 'syntax = "proto3"; package b; message Blob64 { int64 total = 1; bytes content = 2; }',
      }).message<Blob64>('b.Blob64'),
    );
    const value = { total: 2n ** 62n, content: bytes('\0x') };
    expect(await codec.decode(await codec.encode(value))).toMatchObject(value);
    expect(() => codec.decode(bytes('\x0f'))).toThrow(expect.objectContaining({ code: 'data_loss' }));
  });

  it('gives its type to what is made with it', () => {
    expectTypeOf(table<Order>('a')).toEqualTypeOf<Table<Order>>();
    expectTypeOf(table('a', positive)).toEqualTypeOf<Table<Order>>();
    expectTypeOf(topic('a', later)).toEqualTypeOf<Topic<{ at: Date }>>();
    expectTypeOf(stream('a', positive)).toEqualTypeOf<Stream<Order>>();
    expectTypeOf<Table<Order>['read']>().returns.resolves.toEqualTypeOf<TypedRecord<Order>>();
    const orders = table<Order>('a');
    expectTypeOf(() =>
      orders.update('k', (before) => before ?? { id: 'a', count: 1 }),
    ).returns.resolves.toEqualTypeOf<Order>();
    expectTypeOf(() =>
      orders.update('k', (before) => before && { ...before, count: 2 }),
    ).returns.resolves.toEqualTypeOf<Order | undefined>();
    // @ts-expect-error -- a value of another type
    void (() => orders.write('k', { id: 1 }));
    void (async () => {
      for await (const { value } of topic<Order>('a').subscribe()) expectTypeOf(value).toEqualTypeOf<Order>();
      for await (const { value } of stream<Order>('a').consume({ group: 'g' }))
        expectTypeOf(value).toEqualTypeOf<Order>();
      for await (const { value } of orders.list()) expectTypeOf(value).toEqualTypeOf<Order>();
    });
  });
});
