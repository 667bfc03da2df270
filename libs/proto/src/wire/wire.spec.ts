import { MicroError } from '@micro/errors';
import { describe, expect, it } from 'vitest';
import { unknownFields } from '../field.js';
import { parseSchema } from '../schema.js';
import { legacyFile, shopFiles } from '../shop.fixture.js';

const schema = parseSchema({ ...shopFiles, 'legacy.proto': legacyFile });
const order = schema.message('shop.v1.Order');
const item = schema.message('shop.v1.Order.Item');

function problem(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(MicroError);
    expect(error).toMatchObject({ code: 'invalid_argument' });
    return (error as MicroError).detail;
  }
  return 'no problem';
}

describe('encode', () => {
  it('takes messages with anything left out, at any depth', () => {
    const bytes = order.encode({ items: [{}, { sku: 'x' }], byName: { a: { count: 1 } }, parent: {} });
    expect(order.decode(bytes)).toMatchObject({
      id: '',
      items: [{ sku: '', count: 0 }, { sku: 'x' }],
      byName: { a: { sku: '', count: 1 } },
      parent: { id: '' },
    });
    expect(order.encode({})).toHaveLength(0);
  });

  it.each([
    [{ id: 5 }, 'id: expected a string, not 5'],
    [{ items: [{}, { count: 1.5 }] }, 'items[1].count: expected an integer from 0 to 4294967295, not 1.5'],
    [{ items: [null] }, 'items[0]: expected an object, not null'],
    [{ items: 'x' }, 'items: expected an array, not "x"'],
    [{ byName: { k: { price: '1' } } }, 'byName.k.price: expected a number, not "1"'],
    [{ blobs: { x: new Uint8Array() } }, 'blobs: expected integers as keys, not "x"'],
    [{ digest: 'abc' }, 'digest: expected a Uint8Array, not "abc"'],
    [{ phone: '5' }, 'phone: expected a bigint, not "5"'],
    [{ phone: -1n }, 'phone: -1 does not fit an unsigned 64-bit integer'],
    [{ phone: 2n ** 64n }, 'phone: 18446744073709551616 does not fit an unsigned 64-bit integer'],
    [{ deltas: [0n, 2 ** 60] }, 'deltas[1]: expected a bigint, not 1152921504606847000'],
    [{ state: 'SENT' }, 'state: expected the number of an enum value, not "SENT"'],
    [{ parent: { parent: { weights: [1, undefined] } } }, 'parent.parent.weights[1]: expected a number, not undefined'],
    [{ email: 'a', phone: 5n }, 'phone: email is set too, and only one of the two can be'],
    [{ constructor$: 5 }, 'constructor$: expected a string, not 5'],
  ])('names what is wrong: %o', (message, detail) => expect(problem(() => order.encode(message))).toBe(detail));

  it.each([null, undefined, 5, 'x'])('refuses %s for a message', (message) => {
    expect(problem(() => order.encode(message as never))).toContain('shop.v1.Order: expected an object');
  });

  it('takes exact numbers for 64-bit integers, as plain JavaScript has them', () => {
    expect(order.decode(order.encode({ phone: 5, deltas: [-7] } as never))).toMatchObject({ phone: 5n, deltas: [-7n] });
  });

  it('refuses circles instead of overflowing the stack', () => {
    const circle: { parent?: object } = {};
    circle.parent = circle;
    expect(problem(() => order.encode(circle))).toBe('shop.v1.Order: nested too deeply');
    expect(problem(() => order.toJson(circle))).toBe('shop.v1.Order: nested too deeply');
  });

  it('stands a getter that encodes another message', () => {
    const message = {
      id: 'outer',
      get digest() {
        return item.encode({ sku: 'inner' });
      },
    };
    const { id, digest } = order.decode(order.encode(message)) as { id: string; digest: Uint8Array };
    expect([id, item.decode(digest)]).toEqual(['outer', { sku: 'inner', count: 0, price: 0 }]);
  });

  it('works again after it failed half-way', () => {
    problem(() => order.encode({ id: 'x'.repeat(1000), items: [{ count: 'x' }] }));
    expect(order.decode(order.encode({ id: 'y' }))).toMatchObject({ id: 'y' });
  });

  it('writes strings of any length and script', () => {
    for (const char of ['a', 'é', '漢', '😀']) {
      for (const count of [0, 1, 12, 24, 25, 31, 42, 43, 63, 64, 127, 128, 5461, 5462, 16_383, 16_384, 70_000]) {
        const sku = char.repeat(count);
        expect((item.decode(item.encode({ sku, count: 7 })) as { sku: string }).sku === sku, `${char} × ${count}`).toBe(
          true,
        );
      }
    }
    expect(item.decode(item.encode({ sku: 'half \ud83d of a pair' }))).toMatchObject({ sku: 'half \ufffd of a pair' });
  });

  it('puts the length of nested messages of any size in front', () => {
    for (const count of [0, 1, 126, 127, 128, 16_382, 16_384, 2_097_152]) {
      const parent = { parent: { id: 'x'.repeat(count) } };
      expect((order.decode(order.encode({ parent })) as { parent: typeof parent }).parent.parent.id.length).toBe(count);
    }
  });
});

describe('decode', () => {
  it.each([
    ['a field cut short', [0x0a, 0x05, 0x61], 'the bytes end too early'],
    ['a number cut short', [0x38, 0x80], 'the bytes end too early'],
    [
      'a number without end',
      [0x38, ...Array.from({ length: 11 }, () => 0x80), 0x01],
      'a number is longer than ten bytes',
    ],
    ['field number 0', [0x00, 0x00], 'a field has the number 0'],
    ['a wire type that there is not', [0x0f], 'a field has the wire type 7, which does not exist'],
    ['an end of a group without a group', [0x0c], 'a field has the wire type 4, which ends a group that did not begin'],
    ['a string that is not UTF-8', [0x0a, 0x01, 0xff], 'a string is not UTF-8'],
    [
      'a nested message that is longer than its parent',
      [0x1a, 0x02, 0x0a, 0x05, 0x61, 0x62, 0x63, 0x64, 0x65],
      'the bytes end too early',
    ],
    ['a group without end', [0xf3, 0x7f, 0x08, 0x01], 'the bytes end too early'],
  ])('refuses %s', (_, bytes, detail) =>
    expect(problem(() => order.decode(Uint8Array.from(bytes)))).toBe(`shop.v1.Order: ${detail}`),
  );

  it('does not nest deeper than a hundred, in messages and in unknown groups', () => {
    let message: { parent?: object } = {};
    for (let depth = 0; depth < 99; depth++) message = { parent: message };
    const bytes = order.encode(message);
    expect(problem(() => order.decode(bytes))).toBe('no problem');
    expect(problem(() => order.decode(order.encode({ parent: message })))).toContain(
      'messages are nested deeper than 100',
    );
    expect(
      problem(() => order.decode(Uint8Array.from(Array.from({ length: 500 }, () => [0xf3, 0x7f]).flat()))),
    ).toContain('nested deeper than 100');
  });

  it('merges a message that comes twice, and lets the last scalar win', () => {
    const once = order.encode({ id: 'a', total: { units: 5n }, items: [{ sku: '1' }], email: 'x' });
    const again = order.encode({ id: 'b', total: { currency: 1 }, items: [{ sku: '2' }], phone: 7n });
    const merged = order.decode(Buffer.concat([once, again]));
    expect(merged).toMatchObject({
      id: 'b',
      total: { units: 5n, currency: 1 },
      items: [{ sku: '1' }, { sku: '2' }],
      phone: 7n,
    });
    expect('email' in merged).toBe(false);
  });

  it('keeps what it does not know, and sends it on', () => {
    const newer = parseSchema({
      'x.proto':
        'syntax = "proto3"; message M { string known = 1; int32 number = 5; M nested = 7; repeated string list = 6; }',
    }).message('M');
    const older = parseSchema({
      'x.proto': 'syntax = "proto3"; message M { string known = 1; M nested = 7; }',
    }).message('M');
    const message = { known: 'x', number: -5, list: ['a', 'b'], nested: { known: '', number: 3, list: [] } };
    const through = older.decode(newer.encode(message));
    expect(through).toMatchObject({ known: 'x', nested: { known: '' } });
    expect(newer.decode(older.encode({ ...through }))).toEqual(message);
    expect(older.toJson(through)).toEqual({ known: 'x', nested: {} });
    expect(Object.keys(through)).toEqual(['known', 'nested']);
    expect(unknownFields in through).toBe(true);
  });

  it('does not need time beyond measure for unknown fields', () => {
    const many = Buffer.from('a0060108'.repeat(250_000) + '01', 'hex');
    const started = performance.now();
    problem(() => schema.message('shop.v1.GetRequest').decode(many));
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('reads packed and unpacked alike', () => {
    const packed = schema
      .message('legacy.Legacy')
      .decode(Buffer.from('0a0178' + '3a020102' + '3803' + '4001' + '42020203', 'hex'));
    expect(packed).toMatchObject({ numbers: [1, 2, 3], packedNumbers: [1, 2, 3] });
  });

  it('keeps numbers that a closed enum does not have as unknown', () => {
    const legacy = schema.message('legacy.Legacy');
    const bytes = Buffer.from('0a0178' + '3007', 'hex');
    const message = legacy.decode(bytes);
    expect(message).not.toHaveProperty('level');
    expect(Buffer.compare(legacy.encode(message), bytes)).toBe(0);
  });

  it('asks for required fields', () => {
    const legacy = schema.message('legacy.Legacy');
    expect(problem(() => legacy.decode(new Uint8Array()))).toBe('name: is required and not set');
    expect(problem(() => legacy.encode({ name: 'x', children: [{}] }))).toBe(
      'children[0].name: is required and not set',
    );
    expect(problem(() => legacy.fromJson({ name: 'x', children: [{}] }))).toBe(
      'children[0].name: is required and not set',
    );
  });

  it('copies bytes, so that a message does not change with the buffer it came in', () => {
    const bytes = Buffer.from(order.encode({ digest: new Uint8Array([1, 2, 3]) }));
    const { digest } = order.decode(bytes) as { digest: Uint8Array };
    bytes.fill(0);
    expect(digest).toEqual(new Uint8Array([1, 2, 3]));
    expect(digest.buffer.byteLength).toBe(3);
  });

  it('refuses what are no bytes', () => {
    expect(problem(() => order.decode('x' as never))).toContain('expected bytes, not "x"');
  });
});
