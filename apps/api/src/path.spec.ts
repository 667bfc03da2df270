import { MicroError } from '@micro/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanPath } from './path.js';
import { pathOf, resolve } from './resolver.js';

const segmentsOf = (path: string) => cleanPath(path).segments;

describe('the path table', () => {
  it.each([
    ['/foo', 'foo', 'Foo.Call'],
    ['/foo/bar', 'foo', 'Foo.Bar'],
    ['/foo/foo/bar', 'foo', 'Foo.Bar'],
    ['/foo/bar/baz', 'foo', 'Bar.Baz'],
    ['/foo/bar/baz-xyz', 'foo', 'Bar.BazXyz'],
    ['/foo/bar/baz/cat', 'foo.bar', 'Baz.Cat'],
    ['/foo/bar/baz/cat/car', 'foo.bar.baz', 'Cat.Car'],
    ['/foo/fooBar/bazCat', 'foo', 'FooBar.BazCat'],
    ['/v1/foo', 'v1.foo', 'Foo.Call'],
    ['/v1/foo/bar', 'v1.foo', 'Foo.Bar'],
    ['/v1/foo/bar/baz', 'v1.foo', 'Bar.Baz'],
    ['/v1/foo/bar/baz/cat', 'v1.foo.bar', 'Baz.Cat'],
    ['/foo-bar/baz', 'foo-bar', 'FooBar.Baz'],
  ])('%s is %s %s', (path, service, endpoint) => {
    expect(resolve(segmentsOf(path))).toEqual({ service, endpoint });
  });

  it.each([
    ['/v10', 'v10', 'V10.Call'],
    ['/v1x/foo', 'v1x', 'V1x.Foo'],
    ['/x/v1/foo', 'x', 'V1.Foo'],
    ['/_/$', '_', '_.$'],
  ])('%s is %s %s', (path, service, endpoint) => {
    expect(resolve(segmentsOf(path))).toEqual({ service, endpoint });
  });

  it('has nothing for the root and for an encoded slash', () => {
    expect(resolve(segmentsOf('/'))).toBeUndefined();
    expect(resolve(segmentsOf('/foo%2Fbar'))).toBeUndefined();
  });

  it('leads back from a hint', () => {
    const word = fc.stringMatching(/^[a-z][a-zA-Z0-9]{0,8}$/).filter((name) => !/^v[0-9]+$/.test(name));
    const service = fc.tuple(fc.option(fc.constantFrom('v1', 'v22')), fc.array(word, { minLength: 1, maxLength: 3 }));
    fc.assert(
      fc.property(service, word, word, ([version, parts], handler, method) => {
        const name = [...(version === null ? [] : [version]), ...parts].join('.');
        const endpoint = [handler, method].map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join('.');
        expect(resolve(segmentsOf(pathOf(name, endpoint)))).toEqual({ service: name, endpoint });
      }),
    );
  });
});

describe('cleaning', () => {
  it.each([
    ['/', []],
    ['//foo///bar/', ['foo', 'bar']],
    ['/foo/./bar', ['foo', 'bar']],
    ['/foo/../bar', ['bar']],
    ['/../../etc/passwd', ['etc', 'passwd']],
    ['/foo/%2e%2e/bar', ['bar']],
    ['/foo/%2E/bar', ['foo', 'bar']],
    ['/foo/..%2fbar', ['foo', '../bar']],
    ['/caf%C3%A9', ['café']],
    ['/caf\xc3\xa9', ['café']],
    ['/a%20b', ['a b']],
  ])('%s', (path, segments) => {
    expect(segmentsOf(path)).toEqual(segments);
  });

  it.each(['/%', '/%zz', '/%ff', '/a%00b', '/a%0d%0ab', '/\xff', '/%ed%a0%80', `/${'a/'.repeat(100)}`])(
    'refuses %j',
    (path) => {
      expect(() => cleanPath(path)).toThrow(expect.objectContaining({ code: 'invalid_argument', status: 400 }));
    },
  );

  it('cuts a verb off before decoding', () => {
    expect(cleanPath('/shelves/1:archive')).toMatchObject({
      segments: ['shelves', '1:archive'],
      verb: { stem: '1', name: 'archive' },
    });
    expect(cleanPath('/shelves/urn%3Ax').verb).toBeUndefined();
    expect(cleanPath('/shelves/urn%3Ax:archive').verb).toEqual({ stem: 'urn:x', name: 'archive' });
    expect(cleanPath('/a:b/c').verb).toBeUndefined();
    expect(cleanPath('/shelves/1:gone/..').verb).toBeUndefined();
  });

  it('answers segments or invalid_argument, whatever it is given', () => {
    const rough = fc.array(
      fc.constantFrom('/', '.', '..', '%', '%2e', '%2f', '%00', '%C3', 'a', ':', 'é', '\xff', '\0'),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          rough.map((parts) => parts.join('')),
          fc.string(),
          fc.webPath(),
        ),
        (path) => {
          try {
            const { segments } = cleanPath(path);
            for (const segment of segments) expect(['', '.', '..']).not.toContain(segment);
            // Cleaning what is clean changes nothing.
            expect(segmentsOf(`/${segments.map(encodeURIComponent).join('/')}`)).toEqual(segments);
            resolve(segments);
          } catch (error) {
            expect(error).toBeInstanceOf(MicroError);
            expect(error).toMatchObject({ code: 'invalid_argument' });
          }
        },
      ),
    );
  });
});
