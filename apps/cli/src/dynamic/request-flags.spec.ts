import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JsonValue, parseSchema } from '@micro/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exitCodes, Failure } from '../failure.js';
import { requestFromFlags, splitAtCommas } from './request-flags.js';

const schema = parseSchema({
  'all.proto': `syntax = "proto3";
    package all;
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/duration.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/wrappers.proto";
    message Request {
      string name = 1;
      int32 count = 2;
      int64 big = 3;
      uint64 unsigned = 4;
      bool force = 5;
      double ratio = 6;
      float single = 7;
      bytes data = 8;
      Color color = 9;
      repeated string tags = 10;
      repeated int32 numbers = 11;
      repeated Item items = 12;
      map<string, string> labels = 13;
      map<int32, int64> totals = 14;
      map<string, Item> named = 15;
      Options options = 16;
      google.protobuf.Timestamp since = 17;
      google.protobuf.Duration wait = 18;
      google.protobuf.Struct extra = 19;
      google.protobuf.BoolValue maybe = 20;
      google.protobuf.Int64Value maybe_big = 21;
      oneof choice { string left = 22; Item right = 23; }
      string first_name = 24;
      string options_note = 25;
      repeated Color colors = 26;
      bool output = 27;
    }
    message Options { string domain = 1; Deep deep_er = 2; bool dry_run = 3; }
    message Deep { int32 level = 1; Options again = 2; }
    message Item { string sku = 1; int32 count = 2; repeated string notes = 3; }
    enum Color { COLOR_NONE = 0; RED = 1; DARK_BLUE = 2; }`,
});
const message = schema.message('all.Request');
const request = (...args: string[]) =>
  JSON.parse(JSON.stringify(requestFromFlags(args, message, 'All.Call').request)) as JsonValue;
const refusal = (...args: string[]) => {
  try {
    requestFromFlags(args, message, 'All.Call');
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).exitCode).toBe(exitCodes.failed);
    expect((error as Failure).message).not.toContain('\n');
    return (error as Failure).message;
  }
  throw new Error(`accepted: ${args.join(' ')}`);
};

describe('flags of a dynamic command', () => {
  it.each<[string[], JsonValue]>([
    [['--name=Alice'], { name: 'Alice' }],
    [['--name', 'Alice'], { name: 'Alice' }],
    [['--name='], { name: '' }],
    [['--name=a=b'], { name: 'a=b' }],
    [['--count', '-5'], { count: -5 }],
    [['--count=0x10'], { count: 16 }],
    [['--big=9223372036854775807'], { big: '9223372036854775807' }],
    [['--unsigned=18446744073709551615'], { unsigned: '18446744073709551615' }],
    [['--force'], { force: true }],
    [['--force', 'false'], { force: false }],
    [['--no-force'], { force: false }],
    [['--force=no'], { force: false }],
    [['--ratio=1e3', '--single=-Infinity'], { ratio: 1000, single: '-Infinity' }],
    [['--data=aGk'], { data: 'aGk=' }],
    [['--color=red'], { color: 'RED' }],
    [['--color=dark-blue'], { color: 'DARK_BLUE' }],
    [['--color=7'], { color: 7 }],
    [['--tags=a,b', '--tags', 'c'], { tags: ['a', 'b', 'c'] }],
    [['--tags=a\\,b'], { tags: ['a,b'] }],
    [['--tags=["x,y","z"]'], { tags: ['x,y', 'z'] }],
    [['--tags='], { tags: [] }],
    [['--numbers=1,2', '--numbers=3'], { numbers: [1, 2, 3] }],
    [['--colors=red,RED'], { colors: ['RED', 'RED'] }],
    [['--items={"sku":"a"}', '--items={"sku":"b"}'], { items: [{ sku: 'a' }, { sku: 'b' }] }],
    [['--items.1.sku=b', '--items.0.sku=a', '--items_0_count=2'], { items: [{ sku: 'a', count: 2 }, { sku: 'b' }] }],
    [['--items.0.notes=a,b'], { items: [{ notes: ['a', 'b'] }] }],
    [['--labels.app=x', '--labels.a.b=y', '--labels=c=d,e=f'], { labels: { app: 'x', 'a.b': 'y', c: 'd', e: 'f' } }],
    [['--labels={"g":"h"}'], { labels: { g: 'h' } }],
    [['--totals.3=12'], { totals: { 3: '12' } }],
    [['--named.x.sku=s', '--named.x.count=2'], { named: { x: { sku: 's', count: 2 } } }],
    [['--options.domain=d'], { options: { domain: 'd' } }],
    [['--options_domain=d'], { options: { domain: 'd' } }],
    [
      ['--options-domain=d', '--options.deep_er.level=3', '--options_deep_er_again_dry_run'],
      { options: { domain: 'd', deepEr: { level: 3, again: { dryRun: true } } } },
    ],
    [['--options={"domain":"d"}', '--options.dryRun'], { options: { domain: 'd', dryRun: true } }],
    [['--options_note=n'], { optionsNote: 'n' }],
    [['--first-name=a'], { firstName: 'a' }],
    [['--firstName=a'], { firstName: 'a' }],
    [['--since=2026-01-31'], { since: '2026-01-31T00:00:00.000Z' }],
    [['--since=2026-01-31T12:00:00.123456789+01:00'], { since: '2026-01-31T12:00:00.123456789+01:00' }],
    [['--wait=1h30m'], { wait: '5400s' }],
    [['--wait=-1.5s'], { wait: '-1.5s' }],
    [['--extra.deep.key=1', '--extra.text=hello'], { extra: { 'deep.key': 1, text: 'hello' } }],
    [['--maybe', '--maybe_big=5'], { maybe: true, maybeBig: '5' }],
    [['--right.sku=x'], { right: { sku: 'x' } }],
    [[], {}],
  ])('%j', (args, expected) => {
    expect(request(...args)).toEqual(expected);
  });

  it('what it makes is what the schema reads', () => {
    const json = request(
      '--name=A',
      '--big=5',
      '--color=red',
      '--labels.a=b',
      '--items.0.sku=x',
      '--wait=2m',
      '--since=2026-01-01',
      '--maybe',
      '--extra.a=[1]',
    );
    expect(() => message.fromJson(json)).not.toThrow();
  });

  it.each([
    [['--nmae=x'], /unknown flag --nmae of All\.Call; did you mean --name\? \(it takes --name, --count, /],
    [['--options.domian=x'], /did you mean --options\.domain\?/],
    [['--zzzzzz'], /^unknown flag --zzzzzz of All\.Call \(it takes/],
    [['--items.x=1'], /unknown flag --items\.x/],
    [['--items.1.sku=b'], /--items\.0 is missing/],
    [['--items.99999.sku=b'], /unknown flag/],
    [['--count=abc'], /^--count must be a whole number from -2147483648 to 2147483647, not "abc"$/],
    [['--count=2147483648'], /whole number/],
    [['--unsigned=-1'], /from 0 to 18446744073709551615/],
    [['--big=9223372036854775808'], /whole number/],
    [['--single=1e39'], /single precision/],
    [['--force=maybe'], /true or false/],
    [['--color=reed'], /^--color must be one of COLOR_NONE, RED, DARK_BLUE, not "reed"; did you mean RED\?$/],
    [['--data=***'], /base64/],
    [['--since=yesterday'], /must be a time like/],
    [['--wait=5 minutes'], /must be a duration like/],
    [['--labels=nope'], /is a map/],
    [['--options=[1]'], /must be a JSON object/],
    [['--items=hello'], /must be a JSON object/],
    [['--left=a', '--right.sku=b'], /--left and --right exclude each other/],
    [['--name'], /--name of All\.Call needs a value$/],
    [['--name', '--force'], /needs a value \(one that begins with -- is written --name=--force\)/],
    [['word'], /unexpected argument "word"/],
    [['-x'], /unknown flag -x/],
  ])('refuses %j', (args, expected) => {
    expect(refusal(...args)).toMatch(expected);
  });

  it('takes global flags that are no fields', () => {
    const { globals, request: made } = requestFromFlags(
      ['--namespace=foo', '-o', 'json', '--output', '--name=x', '-efoo', '--verbose'],
      message,
      'All.Call',
    );
    expect(globals).toEqual({ namespace: 'foo', output: 'json', env: 'foo', verbose: true });
    expect({ ...made }).toEqual({ output: true, name: 'x' });
  });

  it('reads bytes and messages from files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'micro-flags-'));
    try {
      writeFileSync(join(folder, 'b'), Buffer.from([0, 255]));
      writeFileSync(join(folder, 'j'), '{"domain":"d"}');
      expect(request(`--data=@${folder}/b`, `--options=@${folder}/j`)).toEqual({
        data: 'AP8=',
        options: { domain: 'd' },
      });
      expect(refusal(`--data=@${folder}/c`)).toMatch(/cannot read the file .*ENOENT/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const item = fc.record({ sku: text, count: fc.integer() }, { requiredKeys: [] });
const any64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);

/** Requests of every kind of field; each can be said in flags. */
const requests = fc.record(
  {
    name: text,
    count: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    big: any64,
    force: fc.boolean(),
    ratio: fc.double({ noNaN: true, noDefaultInfinity: true }),
    data: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    color: fc.constantFrom('COLOR_NONE', 'RED', 'DARK_BLUE'),
    tags: fc.array(text, { minLength: 1, maxLength: 4 }),
    items: fc.array(item, { minLength: 1, maxLength: 3 }),
    labels: fc.dictionary(
      fc.string({ minLength: 1, maxLength: 10 }).filter((key) => !key.includes('=')),
      text,
      { minKeys: 1, maxKeys: 3 },
    ),
    options: fc
      .record({ domain: text, dryRun: fc.boolean() }, { requiredKeys: [] })
      .filter((options) => Object.keys(options).length > 0),
  },
  { requiredKeys: [] },
);

function asFlags(json: object, prefix = '--'): string[] {
  return Object.entries(json).flatMap(([name, value]: [string, unknown]) => {
    if (name === 'tags') return [`${prefix}tags=${JSON.stringify(value)}`];
    if (name === 'items') return (value as JsonValue[]).map((one) => `${prefix}items=${JSON.stringify(one)}`);
    if (typeof value === 'object' && value !== null) return asFlags(value, `${prefix}${name}.`);
    return [`${prefix}${name}=${String(value)}`];
  });
}

describe('properties of flags', () => {
  it('every request survives being said in flags', () => {
    fc.assert(
      fc.property(requests, (json) => {
        const { request: made } = requestFromFlags(asFlags(json), message, 'All.Call');
        expect(JSON.parse(JSON.stringify(made))).toEqual(JSON.parse(JSON.stringify(json)));
      }),
    );
  });

  it('no arguments whatsoever crash it or touch prototypes', () => {
    const names = fc.oneof(
      text,
      fc.constantFrom(
        'name',
        'labels.__proto__',
        'extra.__proto__.polluted',
        'named.__proto__.sku',
        'items.0.sku',
        'options',
        'count',
        'constructor',
      ),
    );
    const args = fc.array(
      fc
        .tuple(
          fc.constantFrom('--', '-', ''),
          names,
          fc.oneof(
            text.map((value) => `=${value}`),
            fc.constant(''),
          ),
        )
        .map((parts) => parts.join('')),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(args, (given) => {
        try {
          requestFromFlags(given, message, 'All.Call');
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
        }
        expect(({} as Record<string, unknown>).polluted).toBeUndefined();
        expect(({} as Record<string, unknown>).sku).toBeUndefined();
      }),
    );
  });

  it('splitting at commas undoes joining with escaped commas', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (parts) => {
        expect(
          splitAtCommas(parts.map((part) => part.replaceAll(/[\\,]/g, (character) => `\\${character}`)).join(',')),
        ).toEqual(parts);
      }),
    );
  });
});
