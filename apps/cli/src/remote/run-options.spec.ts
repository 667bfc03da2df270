import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sinceMs } from '../commands/logs.js';
import { commandWords, count, environmentPairs } from './run-options.js';
import { pathOf } from './where-to-call.js';

describe('options of run', () => {
  it.each([
    ['node server.js', ['node', 'server.js']],
    [`node "my server.js" --x='a b'`, ['node', 'my server.js', '--x=a b']],
    [String.raw`a\ b "c\"d" '\'`, ['a b', 'c"d', '\\']],
    [`x ''`, ['x', '']],
  ])('a command %j', (text, words) => {
    expect(commandWords(text)).toEqual(words);
  });

  it('quoted words come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (words) => {
        const quoted = words.map((word) => `'${word.replaceAll("'", `'"'"'`)}'`).join(' ');
        expect(commandWords(quoted)).toEqual(words);
      }),
    );
  });

  it('refuse what makes no sense', () => {
    expect(() => commandWords('node "x')).toThrow(/not closed/);
    expect(() => commandWords('  ')).toThrow(/empty/);
    expect(() => count('0', '--instances')).toThrow(/from 1 to 100/);
    expect(() => count('1e3', '--limit', 10_000)).toThrow(/from 1 to 10000/);
    expect(count('0', '--offset', Number.MAX_SAFE_INTEGER, 0)).toBe(0);
    expect(count(`${Number.MAX_SAFE_INTEGER}`, '--offset', Number.MAX_SAFE_INTEGER, 0)).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => environmentPairs(['GONE'], {})).toThrow(/not set here/);
    expect(() => environmentPairs(['=x'], {})).toThrow(/KEY=VALUE/);
    expect(environmentPairs(['A=b=c', 'HOME'], { HOME: '/h' })).toEqual({ A: 'b=c', HOME: '/h' });
  });

  it('times of logs', () => {
    expect(sinceMs('10m', 1_000_000)).toBe(400_000);
    expect(sinceMs('2026-01-31T12:00:00Z')).toBe(Date.UTC(2026, 0, 31, 12));
    expect(() => sinceMs('5')).toThrow(/--since must be/);
  });
});

describe('the path of an endpoint at the gateway', () => {
  it.each([
    ['helloworld', 'Helloworld.Call', '/helloworld/call'],
    ['foo-bar', 'FooBar.Baz', '/foo-bar/baz'],
    ['foo', 'Bar.BazXyz', '/foo/bar/baz-xyz'],
    ['foo.bar', 'Baz.Cat', '/foo/bar/baz/cat'],
    ['v1.foo', 'Foo.Bar', '/v1/foo/bar'],
    ['v1.foo.bar', 'Baz.Cat', '/v1/foo/bar/baz/cat'],
  ])('of %s %s', (name, endpoint, path) => {
    const view = {
      name: endpoint,
      path: '',
      kind: 'unary',
      idempotency: 'unknown',
      request: '',
      response: '',
      metadata: {},
    } as const;
    expect(
      pathOf({ name, version: '', namespace: 'micro', metadata: {}, endpoints: [view], nodes: [], schema: '' }, view),
    ).toBe(path);
  });
});
