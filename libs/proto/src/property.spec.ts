import { MicroError } from '@micro/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from './definition.js';
import { parseJson, parseSchema, schemaFromDescriptorSet } from './index.js';
import { legacyFile, shopFiles } from './shop.fixture.js';

const schema = parseSchema({ ...shopFiles, 'legacy.proto': legacyFile });
const order = schema.message('shop.v1.Order');

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const uint32 = fc.nat({ max: 0xffffffff });
const text = fc.string({ unit: 'grapheme' });
const key = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', ''));
const bytes = fc.uint8Array({ maxLength: 40 });
const map = <T>(keys: fc.Arbitrary<string>, values: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(keys, values), { maxLength: 5 }).map((entries) => {
    const to = Object.create(null) as Record<string, T>;
    for (const [name, value] of entries) to[name] = value;
    return to;
  });

/** JSON.stringify writes -0 as 0, which a field without presence then leaves out: the sign of zero is all that JSON loses. */
const unsignedZero = (number: number): number => (number === 0 ? 0 : number);

const item = fc.record({ sku: text, count: uint32, price: fc.double().map(unsignedZero) });
const timestamp = fc.record({
  seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
  nanos: fc.nat({ max: 999_999_999 }),
});
const duration = fc
  .bigInt({ min: -315_576_000_000n, max: 315_576_000_000n })
  .chain((seconds) =>
    fc.nat({ max: 999_999_999 }).map((nanos) => ({ seconds, nanos: seconds < 0n && nanos > 0 ? -nanos : nanos })),
  );
const { value } = fc.letrec<{ value: object; list: object; struct: object }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({ stringValue: text }),
    fc.record({ numberValue: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
    fc.record({ boolValue: fc.boolean() }),
    fc.constant({ nullValue: 0 }),
    fc.record({ listValue: tie('list') }),
    fc.record({ structValue: tie('struct') }),
  ),
  list: fc.record({ values: fc.array(tie('value'), { maxLength: 4 }) }),
  struct: fc.record({ fields: map(key, tie('value')) }),
}));

/** Only what is set: an absent key, not one that is undefined. */
const contact = fc.oneof(
  fc.constant({}),
  fc.record({ email: text }),
  fc.record({ phone: uint64 }),
  fc.record({ address: fc.record({ street: text }) }),
  fc.constant({ nobody: 0 }),
);
const orders = fc
  .tuple(
    fc.record({
      id: text,
      state: fc.constantFrom(0, 1, -1, 77),
      items: fc.array(item, { maxLength: 4 }),
      byName: map(key, item),
      blobs: map(uint64.map(String), bytes),
      flags: map(fc.constantFrom('true', 'false'), fc.constantFrom(0, 1, -1)),
      currency: fc.constantFrom(0, 1),
      rounding: fc.constantFrom(0, 1),
      deltas: fc.array(int64),
      weights: fc.array(fc.double()),
      ratio: fc.float().map(unsignedZero),
      digest: bytes,
      serial: uint64,
      constructor$: text,
      class: text,
      seen: fc.array(timestamp, { maxLength: 3 }),
    }),
    fc.record(
      {
        priority: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        'remark-text': text,
        total: fc.record({ currency: fc.constantFrom(0, 1), units: int64 }),
        at: timestamp,
        took: duration,
        anything: value,
        extra: fc.record({ fields: map(key, value) }),
        maybe: fc.record({ value: text }),
        maybeCount: fc.record({ value: int64 }),
        maybeBytes: fc.record({ value: bytes }),
      },
      { requiredKeys: [] },
    ),
    contact,
  )
  .map(([always, sometimes, one]) => ({ ...always, ...sometimes, ...one }));

/** Runs what may only succeed or throw a MicroError, with objects as they were. */
function harmless(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(MicroError);
    expect((error as MicroError).code).toBe('invalid_argument');
  }
  expect(Object.keys(Object.prototype)).toEqual([]);
}

describe('any message', () => {
  it('is the same after encoding and decoding', () => {
    fc.assert(
      fc.property(orders, (message) => void expect(order.decode(order.encode(message))).toEqual(message)),
      { numRuns: 300 },
    );
  });

  it('is the same after JSON, as text and back', () => {
    const json = (message: object) => JSON.stringify(order.toJson(message));
    fc.assert(
      fc.property(orders, (message) => {
        const again = order.fromJson(parseJson(json(message)));
        expect(json(again)).toBe(json(message));
        expect(order.decode(order.encode(again))).toEqual(again);
      }),
      { numRuns: 300 },
    );
  });
});

/** JSON that is nearly a message: its names, with whatever values. */
const hostileKey = fc.oneof(
  fc.constantFrom(
    'id',
    'items',
    'byName',
    'flags',
    'anything',
    'detail',
    '@type',
    'at',
    'took',
    'extra',
    'mask',
    'parent',
    'phone',
    'maybe',
    'state',
    '__proto__',
    'constructor',
  ),
  fc.string(),
);
const { hostile } = fc.letrec<{ hostile: JsonValue }>((tie) => ({
  hostile: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<JsonValue>(
      null,
      true,
      0,
      -1,
      1e400,
      2 ** 53,
      'NaN',
      '1e5',
      '\ud800',
      'type.googleapis.com/shop.v1.Order',
      'type.googleapis.com/google.protobuf.Any',
      '2026-01-31T12:00:00Z',
      '1s',
    ),
    fc.string(),
    fc.double(),
    fc.array(tie('hostile'), { maxLength: 4 }),
    map(hostileKey, tie('hostile')) as fc.Arbitrary<JsonValue>,
  ),
}));

describe('hostile input', () => {
  it('as JSON throws MicroError or nothing, and leaves prototypes alone', () => {
    fc.assert(
      fc.property(map(hostileKey, hostile), fc.boolean(), (json, ignoreUnknownFields) =>
        harmless(() => order.encode(order.fromJson(json as JsonValue, { ignoreUnknownFields }))),
      ),
      { numRuns: 1000 },
    );
  });

  it('as text throws MicroError or nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json({ maxDepth: 6 })), (json) =>
        harmless(() => order.fromJson(parseJson(json))),
      ),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(
        fc.json(),
        (json) => void expect(JSON.stringify(parseJson(json), bigints)).toBe(JSON.stringify(JSON.parse(json))),
      ),
      { numRuns: 500 },
    );
  });

  it('as bytes throws MicroError or nothing, be it noise or a message that was changed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => harmless(() => order.toJson(order.decode(noise)))),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(orders, fc.nat(), fc.nat({ max: 255 }), (message, at, byte) => {
        const changed = order.encode(message);
        if (changed.length > 0) changed[at % changed.length] = byte;
        harmless(() => order.toJson(order.decode(changed)));
        harmless(() => order.decode(changed.subarray(0, at % (changed.length + 1))));
      }),
      { numRuns: 500 },
    );
  });

  it('as a message throws MicroError or nothing', () => {
    fc.assert(
      fc.property(map(hostileKey, fc.anything()), (message) => harmless(() => order.encode(message))),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(map(hostileKey, fc.anything()), (message) => harmless(() => order.toJson(message))),
      { numRuns: 500 },
    );
  });

  it('as a .proto or a descriptor throws MicroError or nothing', () => {
    const set = schema.descriptorSet(),
      source = shopFiles['shop/shop.proto'];
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 255 }), (at, byte) => {
        const changed = Uint8Array.from(set);
        changed[at % changed.length] = byte;
        harmless(() => {
          for (const service of schemaFromDescriptorSet(changed).services.values())
            for (const { input } of service.methods) harmless(() => input.fromJson({}));
        });
      }),
      { numRuns: 60 },
    );
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom('', '{', '}', '"', ';', '=', '/*', '1', 'message', '[', '\\'),
        (at, put) => {
          const cut = at % source.length;
          harmless(() =>
            parseSchema({ ...shopFiles, 'shop/shop.proto': source.slice(0, cut) + put + source.slice(cut + 1) }),
          );
        },
      ),
      { numRuns: 150 },
    );
  });
});

const bigints = (_: string, given: unknown): unknown => (typeof given === 'bigint' ? Number(given) : given);
