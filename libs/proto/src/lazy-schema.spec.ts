import { expect, it } from 'vitest';
import { endpointsOf } from './endpoints.js';
import { lazySchema } from './lazy-schema.js';
import { parseSchema } from './schema.js';

const files = {
  'a.proto':
    'syntax = "proto3"; package a.b; /* Does. */ service Doer { rpc Do(M) returns (M); } message M { string text = 1; }',
};

it('is the same as one that is parsed at once', () => {
  const lazy = lazySchema(files).service('a.b.Doer');
  const service = parseSchema(files).service('a.b.Doer');
  expect({ ...pick(lazy) }).toEqual(pick(service));
  expect(endpointsOf(lazy)).toEqual(endpointsOf(service));
  expect(lazy.schema.descriptorSet()).toEqual(service.schema.descriptorSet());
  expect(lazy.methods).toBe(lazy.methods);
});

it('is parsed when it is used, and is wrong only then', () => {
  const broken = lazySchema({ 'a.proto': 'service {' }).service('a.Doer');
  expect([broken.name, broken.shortName, broken.package]).toEqual(['a.Doer', 'Doer', 'a']);
  expect(() => broken.methods).toThrow('a.proto:1');
  expect(() => lazySchema(files).service('a.b.Undoer').methods).toThrow('a.b.Undoer');
});

function pick({ name, shortName, package: from, comment }: ReturnType<ReturnType<typeof lazySchema>['service']>) {
  return { name, shortName, from, comment };
}
