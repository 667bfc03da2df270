import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { endpointsOf, parseSchema } from './index.js';

const registry = readFileSync(new URL('../../../proto/registry.proto', import.meta.url), 'utf8');

describe('Schema', () => {
  it('knows services, methods and comments', () => {
    const schema = parseSchema({ 'registry.proto': registry });
    const service = schema.service('registry.Registry');
    expect(service.methods.map(({ localName, kind, idempotency }) => [localName, kind, idempotency])).toEqual([
      ['register', 'unary', 'idempotent'],
      ['deregister', 'unary', 'idempotent'],
      ['getService', 'unary', 'noSideEffects'],
      ['listServices', 'unary', 'noSideEffects'],
      ['watch', 'serverStream', 'unknown'],
    ]);
    expect(service.comment).toContain('Who runs where.');
    expect(endpointsOf(service)[0]).toEqual({
      name: 'Registry.Register', path: '/registry.Registry/Register', kind: 'unary', idempotency: 'idempotent',
      request: 'registry.RegisterRequest', response: 'registry.RegisterResponse', metadata: {},
    });
  });

  it('encodes, decodes and speaks JSON', () => {
    const schema = parseSchema({ 'registry.proto': registry, 'x.proto': 'syntax="proto3"; package x; message M { int64 a_b = 1; optional string c = 2; bytes d = 3; repeated M e = 4; map<string, int64> f = 5; }' });
    const codec = schema.message('x.M');
    const message = { aB: 12345678901234567890n - 10n ** 19n, d: new Uint8Array([1, 2]), e: [{ c: '' }], f: { k: 5n } };
    expect(codec.decode(codec.encode(message))).toEqual({ ...message, e: [{ aB: 0n, c: '', d: new Uint8Array(), e: [], f: {} }] });
    const json = { aB: '2345678901234567890', d: 'AQI=', e: [{ c: '' }], f: { k: '5' } };
    expect(codec.toJson(codec.decode(codec.encode(message)))).toEqual(json);
    expect(codec.fromJson({ a_b: 5 })).toMatchObject({ aB: 5n });
    expect(() => codec.fromJson({ e: [{ c: 5 }] })).toThrow('e[0].c: expected a string');
  });
});
