import { parseSchema } from '@micro/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isObject, merge, NamedValues, type JsonObject } from './values.js';

const schema = parseSchema({
  'all.proto': `syntax = "proto3"; package all;
    import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
    enum Color { UNKNOWN = 0; RED = 1; }
    message Inner { string first_name = 1; int32 age = 2; Inner inner = 3; repeated string tags = 4; }
    message All {
      string text = 1; int32 small = 2; int64 big = 3; bool flag = 4; double real = 5; bytes data = 6; Color color = 7;
      Inner inner = 8; repeated Inner many = 9; repeated int32 numbers = 10; map<string, int32> counts = 11;
      google.protobuf.Timestamp at = 12; google.protobuf.BoolValue maybe = 13; google.protobuf.Struct any = 14;
      map<string, Inner> inners = 15; google.protobuf.Value value = 16; string user_id = 17; repeated Color colors = 18;
    }
  `,
});
const codec = schema.message('all.All');

function jsonOf(query: string, typed = true): unknown {
  const values = new NamedValues();
  values.addEncoded(query);
  return JSON.parse(JSON.stringify(values.toJson(typed ? codec : undefined)));
}

describe('values of a query', () => {
  it.each([
    ['text=42&text_=x', { text: '42', text_: 'x' }],
    ['small=-42&big=9007199254740993&real=1.5e3', { small: -42, big: '9007199254740993', real: 1500 }],
    ['flag=true', { flag: true }],
    ['flag=0', { flag: false }],
    ['color=RED', { color: 'RED' }],
    ['color=1&colors=RED&colors=0', { color: 1, colors: ['RED', 0] }],
    ['data=AQID%2B', { data: 'AQID+' }],
    ['at=2026-01-31T12:00:00Z', { at: '2026-01-31T12:00:00Z' }],
    ['maybe=false', { maybe: false }],
    ['inner.first_name=Al&inner.age=3', { inner: { firstName: 'Al', age: 3 } }],
    ['inner[inner][age]=3', { inner: { inner: { age: 3 } } }],
    ['inner={"age":3}', { inner: { age: 3 } }],
    ['numbers=1&numbers=2', { numbers: [1, 2] }],
    ['numbers=1', { numbers: [1] }],
    ['numbers[]=1&numbers[]=2', { numbers: [1, 2] }],
    ['numbers[1]=2&numbers[0]=1&numbers[10]=3', { numbers: [1, 2, 3] }],
    ['many[0].age=1&many[1].age=2&many[0].tags=a&many[0].tags=b', { many: [{ age: 1, tags: ['a', 'b'] }, { age: 2 }] }],
    ['counts.a=1&counts[b.c]=2', { counts: { a: 1, 'b.c': 2 } }],
    ['inners[x].age=1&inners.y[age]=2', { inners: { x: { age: 1 }, y: { age: 2 } } }],
    ['a..b=1&[=2&]=3&a[b=4', { 'a..b': '1', '[': '2', ']': '3', 'a[b': '4' }],
    ['any.a=1&any.b.c=x', { any: { a: '1', b: { c: 'x' } } }],
    ['value=x', { value: 'x' }],
    ['userId=1&constructor=x&toString=y', { userId: '1', constructor: 'x', toString: 'y' }],
    ['unknown.a[0]=1&other=a&other=b', { unknown: { a: ['1'] }, other: ['a', 'b'] }],
    ['text=a+b%20c&&=', { text: 'a b c', '': '' }],
    ['text=%ff%41', { text: '\ufffdA' }],
  ])('%s', (query, json) => {
    expect(jsonOf(query)).toEqual(json);
  });

  it.each([
    ['small=x', '"small": "x" is not a whole number'],
    ['real=0x10', 'not a number'],
    ['flag=maybe', 'not true or false'],
    ['flag=toString', 'not true or false'],
    ['color=BLUE', 'one of UNKNOWN, RED'],
    ['color=constructor', 'one of UNKNOWN, RED'],
    ['text=a&text=b', 'not a list'],
    ['text.a=1', 'has no fields'],
    ['inner=x', 'give its fields one by one'],
    ['inner={', 'is not JSON'],
    ['inner={}&inner.age=1', 'a value and fields'],
    ['inner.age=x', '"inner.age"'],
    ['__proto__=x', '__proto__'],
    ['inner.__proto__.polluted=1', '__proto__'],
    ['inner[__proto__][polluted]=1', '__proto__'],
    [`${'a.'.repeat(40)}b=1`, 'nests'],
    ['a=1&'.repeat(1001), 'more than 1000'],
  ])('refuses case %#', (query, problem) => {
    expect(() => jsonOf(query)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining(problem) }),
    );
  });

  it('stays text without a schema', () => {
    expect(jsonOf('a=1&b.c=true&d=1&d=2&e[]=x', false)).toEqual({ a: '1', b: { c: 'true' }, d: ['1', '2'], e: ['x'] });
  });

  it('never touches a prototype and keeps whatever is a string', () => {
    const key = fc.oneof(
      fc.constantFrom('constructor', 'prototype', 'toString', 'a', 'a.b', 'a[b]', '[', ']', ''),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.string()), { maxLength: 10 }), (pairs) => {
        const values = new NamedValues();
        try {
          for (const [name, text] of pairs) values.add(name, text);
          values.toJson(codec);
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_argument' });
        }
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(jsonOf(`text=${encodeURIComponent(text)}`)).toEqual({ text });
      }),
    );
  });
});

describe('merging', () => {
  const merged = (base: unknown, over: unknown) =>
    JSON.parse(JSON.stringify(merge(base as JsonObject, over as JsonObject, codec)));

  it('lets the body win, at every depth, under either name of a field', () => {
    expect(merged({ text: 'q', inner: { age: 1, firstName: 'q' } }, { text: 'b', inner: { first_name: 'b' } })).toEqual(
      {
        text: 'b',
        inner: { age: 1, first_name: 'b' },
      },
    );
    expect(merged({ numbers: [1, 2] }, { numbers: [3] })).toEqual({ numbers: [3] });
    expect(merged({ inner: { age: 1 } }, { inner: null })).toEqual({ inner: null });
    expect(merged({ counts: { first_name: 1 } }, { counts: { firstName: 2 } })).toEqual({
      counts: { first_name: 1, firstName: 2 },
    });
  });

  it('is harmless whatever the keys', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (left, right) => {
        const [base, over] = [JSON.parse(left), JSON.parse(right)];
        if (!isObject(base) || !isObject(over)) return;
        const result = merge(base, over);
        for (const key of Object.keys(over)) if (!isObject(over[key])) expect(result[key]).toEqual(over[key]);
        expect(merge(result, over)).toEqual(result);
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
    );
    const polluted = merge({}, JSON.parse('{"__proto__":{"admin":true},"a":{"__proto__":{"admin":true}}}'));
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
    expect((polluted as Record<string, unknown>)['admin']).toBeUndefined();
  });
});
