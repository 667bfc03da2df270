import { MicroError } from '@micro/errors';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../definition.js';
import { parseSchema } from '../schema.js';
import { shopFiles } from '../shop.fixture.js';
import { parseJson } from './parse-json.js';

const schema = parseSchema(shopFiles);
const order = schema.message('shop.v1.Order');

const read = (json: JsonValue) => order.fromJson(json) as Record<string, unknown>;

function problem(json: JsonValue, options?: { ignoreUnknownFields: boolean }): string {
  try {
    order.fromJson(json, options);
  } catch (error) {
    expect(error).toBeInstanceOf(MicroError);
    expect(error).toMatchObject({ code: 'invalid_argument' });
    return (error as MicroError).detail;
  }
  return 'no problem';
}

describe('fromJson', () => {
  it('fills in what is not there: defaults where there is no presence, nothing where there is', () => {
    expect(read({})).toEqual({
      id: '',
      state: 0,
      items: [],
      byName: {},
      blobs: {},
      flags: {},
      currency: 0,
      rounding: 0,
      deltas: [],
      weights: [],
      ratio: 0,
      digest: new Uint8Array(),
      serial: 0n,
      constructor$: '',
      class: '',
      seen: [],
    });
    expect('priority' in read({})).toBe(false);
  });

  it.each<[string, JsonValue, object]>([
    [
      'names of JSON and of the .proto',
      { by_name: {}, maybeCount: 1, 'remark-text': 'x' },
      { maybeCount: { value: 1n }, 'remark-text': 'x' },
    ],
    ['the original name where json_name differs', { note: 'x' }, { 'remark-text': 'x' }],
    ['enums by name and by number', { state: 'SENT', currency: 1 }, { state: 1, currency: 1 }],
    ['an alias of an enum value', { state: 'SHIPPED' }, { state: 1 }],
    ['numbers that an enum does not have', { state: 77, flags: { true: -3 } }, { state: 77, flags: { true: -3 } }],
    [
      '64-bit integers as strings and numbers',
      { phone: '18446744073709551615', deltas: ['-9223372036854775808', 5] },
      { phone: 18446744073709551615n, deltas: [-9223372036854775808n, 5n] },
    ],
    ['whole numbers in any notation', { priority: 1e3, items: [{ count: '12' }] }, { priority: 1000 }],
    [
      'numbers that JSON has no number for',
      { weights: ['NaN', 'Infinity', '-Infinity', '1.5'] },
      { weights: [NaN, Infinity, -Infinity, 1.5] },
    ],
    [
      'bytes in base64, standard and URL-safe, padded or not',
      { digest: '-_-_', blobs: { 1: '+/8=', 2: '+/8' } },
      {
        digest: new Uint8Array([251, 255, 191]),
        blobs: { 1: new Uint8Array([251, 255]), 2: new Uint8Array([251, 255]) },
      },
    ],
    ['null as absence', { id: null, items: null, byName: null, parent: null, email: null }, { id: '', items: [] }],
    ['null of a oneof beside another member', { email: null, phone: '5' }, { phone: 5n }],
    ['NullValue in a oneof', { nobody: null }, { nobody: 0 }],
    [
      'a time with an offset',
      { at: '2026-01-31T12:00:00.25+02:00' },
      { at: { seconds: 1769853600n, nanos: 250000000 } },
    ],
    ['a time before 1970', { at: '1969-12-31T23:59:59.5Z' }, { at: { seconds: -1n, nanos: 500000000 } }],
    ['a negative duration', { took: '-1.5s' }, { took: { seconds: -1n, nanos: -500000000 } }],
    [
      'any JSON as Value',
      { anything: { a: [1, null, 'x', { b: true }] } },
      {
        anything: {
          structValue: {
            fields: {
              a: {
                listValue: {
                  values: [
                    { numberValue: 1 },
                    { nullValue: 0 },
                    { stringValue: 'x' },
                    { structValue: { fields: { b: { boolValue: true } } } },
                  ],
                },
              },
            },
          },
        },
      },
    ],
    ['null as a Value', { anything: null }, { anything: { nullValue: 0 } }],
    ['a field mask', { mask: 'a,fooBar.bazQux' }, { mask: { paths: ['a', 'foo_bar.baz_qux'] } }],
    [
      'wrappers',
      { maybe: '', maybeCount: '7', maybeBytes: 'AA' },
      { maybe: { value: '' }, maybeCount: { value: 7n }, maybeBytes: { value: new Uint8Array([0]) } },
    ],
    [
      'an Any of a message',
      { detail: { '@type': 'type.googleapis.com/shop.v1.GetRequest', id: 'x' } },
      { detail: { typeUrl: 'type.googleapis.com/shop.v1.GetRequest', value: new Uint8Array([10, 1, 120]) } },
    ],
    [
      'an Any of a well-known type',
      { detail: { '@type': 'type.googleapis.com/google.protobuf.Duration', value: '1s' } },
      { detail: { value: new Uint8Array([8, 1]) } },
    ],
    [
      'keys that objects inherit',
      { constructor: 'x', byName: { constructor: {}, toString: {} } },
      { constructor$: 'x' },
    ],
  ])('reads %s', (_, json, message) => expect(read(json)).toMatchObject(message));

  it.each<[JsonValue, string]>([
    [{ items: [{}, {}, { price: 'x' }] }, 'items[2].price: expected a number, not "x"'],
    [{ parent: { parent: { id: 5 } } }, 'parent.parent.id: expected a string, not 5'],
    [{ byName: { 'a b': { count: -1 } } }, 'byName["a b"].count: -1 does not fit an unsigned 32-bit integer'],
    [{ flags: { maybe: 'SENT' } }, 'flags: expected the key true or false, not "maybe"'],
    [{ blobs: { '01': '' } }, 'blobs: expected integers as keys, not "01"'],
    [{ blobs: { '-1': '' } }, 'blobs: -1 does not fit an unsigned 64-bit integer'],
    [{ state: 'GONE' }, 'state: expected one of NEW, SENT, SHIPPED, LOST, not "GONE"'],
    [{ priority: 1.5 }, 'priority: expected a whole number, not 1.5'],
    [{ priority: 2 ** 31 }, 'priority: 2147483648 does not fit a signed 32-bit integer'],
    [{ phone: '18446744073709551616' }, 'phone: 18446744073709551616 does not fit an unsigned 64-bit integer'],
    [{ phone: ' 1' }, 'phone: expected a number, not " 1"'],
    [{ ratio: 3.5e38 }, 'ratio: 3.5e+38 does not fit a float'],
    [{ digest: 'a' }, 'digest: expected bytes in base64, not "a"'],
    [{ digest: '+_' }, 'digest: expected bytes in base64, not "+_"'],
    [{ id: '\ud800' }, 'id: expected a string of whole characters, found half of a surrogate pair'],
    [{ items: {} }, 'items: expected an array, not an object'],
    [{ items: [null] }, 'items[0]: expected an object, not null'],
    [{ byName: [] }, 'byName: expected an object, not an array'],
    [{ byName: { a: null } }, 'byName.a: expected an object, not null'],
    [{ at: '2026-02-30T00:00:00Z' }, 'at: expected a time such as 2026-01-31T12:00:00Z, not "2026-02-30T00:00:00Z"'],
    [
      { at: '0001-01-01T00:00:00+01:00' },
      'at: expected a time from year 1 to year 9999, not "0001-01-01T00:00:00+01:00"',
    ],
    [{ took: '1' }, 'took: expected seconds such as 1.5s, not "1"'],
    [{ mask: 'a_b' }, 'mask: expected paths in camelCase, not "a_b"'],
    [{ maybeCount: 'x' }, 'maybeCount: expected a number, not "x"'],
    [
      { detail: { '@type': 'shop.v1.GetRequest' } },
      'detail.@type: expected a type URL such as type.googleapis.com/package.Message, not "shop.v1.GetRequest"',
    ],
    [
      { detail: { '@type': 'type.googleapis.com/no.Such' } },
      'detail.@type: the schema does not have no.Such: import the file that defines it',
    ],
    [{ detail: { id: 'x' } }, 'detail.@type: expected the URL of a type, not undefined'],
    [{ email: 'a', phone: 1 }, 'phone: email is set too, and only one of the two can be'],
    [{ byName: {}, by_name: {} }, 'byName: given twice, as by_name too'],
    [{ Id: 'x' }, 'Id: shop.v1.Order has no such field: did you mean id?'],
    [{ parent: { nonsense: 1 } }, 'parent.nonsense: shop.v1.Order has no such field'],
    [[], 'shop.v1.Order: expected an object, not an array'],
    [null, 'shop.v1.Order: expected an object, not null'],
    ['x', 'shop.v1.Order: expected an object, not "x"'],
  ])('refuses %j', (json, detail) => expect(problem(json)).toBe(detail.replace('detail.@type', 'detail["@type"]')));

  it('ignores what it does not know where it is told to', () => {
    const json = {
      nonsense: { a: 1 },
      state: 'GONE',
      flags: { true: 'GONE', false: 'SENT' },
      items: [{ no: 1 }],
      id: 'x',
    };
    expect(order.fromJson(json, { ignoreUnknownFields: true })).toMatchObject({
      id: 'x',
      state: 0,
      flags: { false: 1 },
      items: [{ sku: '' }],
    });
    expect(problem({ id: 5, nonsense: 1 }, { ignoreUnknownFields: true })).toContain('id: expected a string');
  });

  it('does not nest deeper than a hundred', () => {
    const nested = (depth: number): JsonValue => (depth === 0 ? {} : { parent: nested(depth - 1) });
    expect(problem(nested(99))).toBe('no problem');
    expect(problem(nested(100))).toContain('messages are nested deeper than 100');
    let list: JsonValue = [];
    for (let depth = 0; depth < 200; depth++) list = [list];
    expect(problem({ list })).toContain('messages are nested deeper than 100');
  });

  it('is not misled by keys that mean something to JavaScript', () => {
    const json = parseJson('{"byName":{"__proto__":{"sku":"x"}},"extra":{"__proto__":{"polluted":true}},"flags":{}}');
    const message = order.fromJson(json) as { byName: Record<string, { sku: string }> };
    expect(Object.keys(message.byName)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    const text = JSON.stringify(order.toJson(order.decode(order.encode(message))));
    expect(text).toBe('{"byName":{"__proto__":{"sku":"x"}},"extra":{"__proto__":{"polluted":true}}}');
    expect(problem(JSON.parse('{"__proto__":{"id":"x"}}') as JsonValue)).toContain(
      '__proto__: shop.v1.Order has no such field',
    );
  });
});

describe('toJson', () => {
  it('leaves out defaults, and keeps what was set where that can be told', () => {
    expect(
      order.toJson({
        id: '',
        state: 0,
        items: [],
        byName: {},
        priority: 0,
        email: '',
        maybe: { value: '' },
        parent: {},
      }),
    ).toEqual({
      priority: 0,
      email: '',
      maybe: '',
      parent: {},
    });
  });

  it('writes every type as the specification says', () => {
    const json = {
      id: 'o-1',
      state: 'SENT',
      items: [{ sku: 's', count: 4294967295, price: 'NaN' }],
      byName: { a: {} },
      blobs: { '18446744073709551615': 'AP8=' },
      flags: { true: 'LOST' },
      'remark-text': 'x',
      phone: '18446744073709551615',
      total: { currency: 'EUR', units: '-5' },
      at: '2026-01-31T12:00:00.123456Z',
      took: '-0.500s',
      extra: { a: [1, { b: null }] },
      anything: 'x',
      list: [true],
      detail: { '@type': 'type.googleapis.com/google.protobuf.Timestamp', value: '1970-01-01T00:00:01Z' },
      mask: 'fooBar,baz',
      maybeCount: '0',
      maybeBytes: '',
      deltas: ['-1'],
      weights: [0, 1.5, '-Infinity'],
      ratio: 0.1,
      digest: '++8=',
      serial: '1',
      seen: ['1970-01-01T00:00:00Z'],
    };
    expect(order.toJson(order.fromJson(json))).toEqual(json);
    expect(order.toJson({ state: 77, rounding: 1, nobody: 0 })).toEqual({
      state: 77,
      rounding: 'HALF_EVEN',
      nobody: null,
    });
  });

  it.each([
    [{ items: [{ count: '5' }] }, 'items[0].count: expected an integer from 0 to 4294967295, not "5"'],
    [{ at: { seconds: 253402300800n } }, 'at.seconds: a timestamp is from year 1 to year 9999'],
    [{ took: { seconds: 1n, nanos: -1 } }, 'took.nanos: nanos have the sign of the seconds'],
    [{ anything: {} }, 'anything: a google.protobuf.Value has none of its kinds set: set one, such as nullValue'],
    [{ anything: { numberValue: NaN } }, 'anything: a google.protobuf.Value cannot be NaN in JSON'],
    [{ mask: { paths: ['fooBar'] } }, 'mask.paths: "fooBar" cannot be written in camelCase and read back'],
    [
      { detail: { typeUrl: 'x/no.Such' } },
      'detail["@type"]: the schema does not have no.Such: import the file that defines it',
    ],
  ])('refuses %o', (message, detail) => {
    expect(() => order.toJson(message as object)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', detail }),
    );
  });
});

describe('parseJson', () => {
  it('keeps long integers exact', () => {
    const { phone, weights, anything } = order.fromJson(
      parseJson(
        '{"phone": 18446744073709551615, "weights": [12345678901234567890, 0.12345678901234567], "anything": 9007199254740993}',
      ),
    ) as {
      phone: bigint;
      weights: number[];
      anything: object;
    };
    expect(phone).toBe(18446744073709551615n);
    expect(weights).toEqual([12345678901234567890, 0.12345678901234567]);
    expect(anything).toEqual({ numberValue: 9007199254740992 });
    expect(() => order.fromJson(parseJson('{"id": 1234567890123456789}'))).toThrow(
      'id: expected a string, not 1234567890123456789',
    );
  });

  it('keeps every integer of 64 bits, and makes no bigint of a longer one', () => {
    for (const digits of [
      '9007199254740991',
      '9007199254740992',
      '9007199254740993',
      '-9007199254740993',
      '-9223372036854775808',
      '18446744073709551615',
    ]) {
      expect(String(parseJson(digits))).toBe(digits);
      expect(String((parseJson(`{"a":"\\"","b":[${digits}]}`) as { b: unknown[] }).b[0])).toBe(digits);
    }
    expect(parseJson(`[${'9'.repeat(400)}, ${'9'.repeat(30)}, 1e300, -1e300]`)).toEqual([
      Infinity,
      1e30,
      1e300,
      -1e300,
    ]);
    expect(() => order.fromJson(parseJson(`{"phone": ${'9'.repeat(400)}}`))).toThrow('phone: ');
  });

  it('refuses keys that come twice, at any depth and however they are escaped', () => {
    expect(() => parseJson('{"a":1,"a":2}')).toThrow('not valid JSON: an object has the key "a" twice');
    expect(() => parseJson('{"a":{"b":1,"c":"d"},"a":{"e":"f"}}')).toThrow('the key "a" twice');
    expect(() => parseJson('[[{"1":1,"1":1}]]')).toThrow('the key "1" twice');
    expect(() => parseJson('{"__proto__":1,"__proto__":1}')).toThrow('the key "__proto__" twice');
    expect(() => parseJson('{"x":[{"a":"}:","\\u0061":"\\\\\\":"}]}')).toThrow('an object has the key "a" twice');
    expect(parseJson('{"x":[{"a":"}:","b":"\\\\\\":"}], "a": {"a": 1}}')).toEqual({
      x: [{ a: '}:', b: '\\":' }],
      a: { a: 1 },
    });
  });

  it('is JSON.parse otherwise', () => {
    for (const text of ['null', ' 5 ', '"x"', '[]', '[1,[2,{"a":[]}]]', '{"a":{"b":null,"c":-1.5e3}}', '{"":""}'])
      expect(parseJson(text)).toEqual(JSON.parse(text));
    for (const text of ['', '{', '{"a":1,}', 'undefined', "{'a':1}", '[1 2]'])
      expect(() => parseJson(text)).toThrow(/^not valid JSON: /);
    expect(() => parseJson('['.repeat(100_000) + ']'.repeat(100_000))).toThrow('JSON is nested deeper than 1000');
  });
});
