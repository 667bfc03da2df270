import { type JsonValue, parseSchema } from '@micro/proto';
import { describe, expect, it } from 'vitest';
import { unknownFieldsWarning } from './unknown-fields.js';

const schema = parseSchema({
  'shop.proto': `syntax = "proto3";
    package shop;
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/empty.proto";
    import "google/protobuf/any.proto";
    message Order {
      string first_name = 1;
      repeated Item items = 2;
      map<string, Item> by_key = 3;
      map<string, string> labels = 4;
      google.protobuf.Struct anything = 5;
      google.protobuf.Timestamp at = 6;
      google.protobuf.Any detail = 7;
      Order parent = 8;
    }
    message Item { int32 count = 1; }`,
});
const order = schema.message('shop.Order');

describe('fields that a request does not have', () => {
  it('are named wherever they are, elements of a list once', () => {
    const warning = unknownFieldsWarning(
      { itmes: [], items: [{ cuont: 1 }, { cuont: 2 }], byKey: { a: { x: 1 } }, parent: { parent: { lables: {} } } },
      order,
    );
    const named = warning?.split('\n').map((line) => /field (\S+) is ignored(?:; did you mean (\S+)\?)?/.exec(line));
    expect(named?.map((match) => match?.slice(1))).toEqual([
      ['itmes', 'items'],
      ['items.cuont', 'count'],
      ['byKey.x', undefined],
      ['parent.parent.lables', 'labels'],
    ]);
  });

  it('are none where the name is the one in the .proto, or anything goes', () => {
    const known = {
      first_name: 'A',
      labels: { anything: 'goes', __proto__: 'too' },
      anything: { what: { ever: 1 } },
      at: '2026-01-01T00:00:00Z',
      detail: { '@type': 'type.googleapis.com/shop.Item', count: 1 },
      '[shop.extension]': 1,
      items: null,
      parent: null,
    };
    expect(unknownFieldsWarning(known, order)).toBeUndefined();
    const odds: JsonValue[] = [null, 1, 'x', [{ itmes: 1 }], { items: 'x' }, { byKey: [1] }];
    for (const odd of odds) expect(unknownFieldsWarning(odd, order)).toBeUndefined();
  });

  it('are counted where there are many', () => {
    const many = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`wrong${index}`, 1]));
    expect(unknownFieldsWarning(many, order)?.split('\n').at(-1)).toBe('warning: and 3 more');
    expect(unknownFieldsWarning({ any: 1 }, schema.message('google.protobuf.Empty'))).toMatch(/has none/);
    expect(unknownFieldsWarning({ any: 1 }, schema.message('google.protobuf.Struct'))).toBeUndefined();
  });
});
