import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanPath } from './path.js';
import { RouteTree } from './route-tree.js';
import { parseTemplate } from './template.js';

function treeOf(...routes: string[]): (request: string) => unknown {
  const tree = new RouteTree<string>();
  for (const route of routes) {
    const [method, template] = route.split(' ') as [string, string];
    tree.add(method, parseTemplate(template), route);
  }
  return (request) => {
    const [method, path] = request.split(' ') as [string, string];
    const found = tree.find(method, cleanPath(path));
    return found && 'value' in found ? [found.value, Object.fromEntries(found.variables)] : found;
  };
}

describe('templates', () => {
  it('binds what google/api/http.proto says they bind', () => {
    const find = treeOf(
      'GET /v1/{name=messages/*}',
      'GET /v1/messages/{id}/x/{sub.field}',
      'GET /v1/files/{path=**}',
      'GET /v1/{a}/b/{c=d/*/e}',
    );
    expect(find('GET /v1/messages/12')).toEqual(['GET /v1/{name=messages/*}', { name: 'messages/12' }]);
    expect(find('GET /v1/messages/a%20b/x/y')).toEqual([
      'GET /v1/messages/{id}/x/{sub.field}',
      { id: 'a b', 'sub.field': 'y' },
    ]);
    expect(find('GET /v1/files/a/b%2Fc')).toEqual(['GET /v1/files/{path=**}', { path: 'a/b%2Fc' }]);
    expect(find('GET /v1/files')).toEqual(['GET /v1/files/{path=**}', { path: '' }]);
    expect(find('GET /v1/x/b/d/1/e')).toEqual(['GET /v1/{a}/b/{c=d/*/e}', { a: 'x', c: 'd/1/e' }]);
    expect(find('GET /v1/x%2Fy/b/d/1/e')).toMatchObject([expect.anything(), { a: 'x/y' }]);
    expect(find('GET /v2/messages/12')).toBeUndefined();
  });

  it('knows custom verbs, and colons that are none', () => {
    const find = treeOf('POST /v1/{name=shelves/*}:archive', 'GET /v1/shelves/{id}', 'POST /v1/shelves:batch');
    expect(find('POST /v1/shelves/7:archive')).toEqual(['POST /v1/{name=shelves/*}:archive', { name: 'shelves/7' }]);
    expect(find('GET /v1/shelves/urn:7')).toEqual(['GET /v1/shelves/{id}', { id: 'urn:7' }]);
    expect(find('POST /v1/shelves:batch')).toEqual(['POST /v1/shelves:batch', {}]);
    expect(find('POST /v1/shelves/7%3Aarchive')).toEqual({ allow: ['GET'] });
  });

  it('prefers the specific whatever the order, and goes back where it was a dead end', () => {
    const routes = ['GET /{rest=**}', 'GET /a/{x}', 'GET /a/b', 'GET /a/b/c/d', 'GET /{y}/b/c'];
    for (const order of [routes, [...routes].reverse()]) {
      const find = treeOf(...order);
      expect(find('GET /a/b')).toEqual(['GET /a/b', {}]);
      expect(find('GET /a/z')).toEqual(['GET /a/{x}', { x: 'z' }]);
      expect(find('GET /a/b/c')).toEqual(['GET /{y}/b/c', { y: 'a' }]);
      expect(find('GET /a/b/c/x')).toEqual(['GET /{rest=**}', { rest: 'a/b/c/x' }]);
      expect(find('GET /')).toEqual(['GET /{rest=**}', { rest: '' }]);
    }
  });

  it('tells which methods a path has, and takes any for *', () => {
    const find = treeOf('GET /a', 'PUT /a', 'DELETE /{x}', '* /any');
    expect(find('POST /a')).toEqual({ allow: ['DELETE', 'GET', 'PUT'] });
    expect(find('DELETE /a')).toEqual(['DELETE /{x}', { x: 'a' }]);
    expect(find('PATCH /any')).toEqual(['* /any', {}]);
  });

  it('keeps the first of two that are the same', () => {
    const tree = new RouteTree<number>();
    expect([
      tree.add('GET', parseTemplate('/a/{x}'), 1),
      tree.add('GET', parseTemplate('/a/{y}'), 2),
      tree.size,
    ]).toEqual([true, false, 1]);
  });

  it.each([
    ['', 'begin with'],
    ['v1/x', 'begin with'],
    ['/a//b', 'neither'],
    ['/a/', 'neither'],
    ['/{x', 'braces'],
    ['/x}', 'braces'],
    ['/{a={b}}', 'braces'],
    ['/**/x', 'last'],
    ['/{a=**}/x', 'last'],
    ['/{a}/{a}', 'twice'],
    ['/{1a}', 'not a field'],
    ['/{a..b}', 'not a field'],
    ['/a*', 'neither'],
    ['/%zz', 'percent'],
  ])('refuses %j', (template, problem) => {
    expect(() => parseTemplate(template)).toThrow(problem);
  });

  it('finds a path made from any template, with the values that went in', () => {
    const word = fc.stringMatching(/^[a-z]{1,4}$/);
    const part = fc.oneof(
      word.map((literal) => ({ literal })),
      fc.constant('*' as const),
    );
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 6 }),
        fc.array(fc.string({ unit: 'grapheme-ascii', minLength: 1 }), { minLength: 6, maxLength: 6 }),
        (parts, values) => {
          const template = parts.map((one, index) => (one === '*' ? `{f${index}}` : one.literal)).join('/');
          const safe = (value: string) => (/^\.{1,2}$/.test(value) ? 'dot' : value);
          const path = parts
            .map((one, index) => (one === '*' ? encodeURIComponent(safe(values[index] as string)) : one.literal))
            .join('/');
          const expected = Object.fromEntries(
            parts.flatMap((one, index) => (one === '*' ? [[`f${index}`, safe(values[index] as string)]] : [])),
          );
          expect(treeOf(`GET /${template}`)(`GET /${path}`)).toEqual([`GET /${template}`, expected]);
        },
      ),
    );
  });
});
