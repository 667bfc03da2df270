import { describe, expect, it } from 'vitest';
import { exitCodes, Failure } from '../failure.js';
import type { EndpointView, ServiceView } from '../remote/service-view.js';
import { chooseEndpoint, namedEndpoint, wordsFor } from './endpoint-words.js';

const service = (name: string, ...endpoints: string[]): ServiceView => ({
  name,
  version: '1',
  namespace: 'micro',
  metadata: {},
  nodes: [],
  schema: '',
  endpoints: endpoints.map((endpoint): EndpointView => {
    const path = `/${name.replaceAll('-', '_')}.${endpoint.replace('.', '/')}`;
    return { name: endpoint, path, kind: 'unary', idempotency: 'unknown', request: '', response: '', metadata: {} };
  }),
});
const helloworld = service('helloworld', 'Helloworld.Call', 'Helloworld.PingPong', 'Admin.Call', 'Admin.DropAll');

function failure(run: () => unknown): Failure {
  try {
    run();
  } catch (error) {
    return error as Failure;
  }
  throw new Error('did not fail');
}

describe('words after a service', () => {
  it.each([
    [helloworld, [], 'Helloworld.Call', []],
    [helloworld, ['--name=x'], 'Helloworld.Call', ['--name=x']],
    [helloworld, ['ping-pong', '-o', 'json'], 'Helloworld.PingPong', ['-o', 'json']],
    [helloworld, ['pingPong'], 'Helloworld.PingPong', []],
    [helloworld, ['drop-all'], 'Admin.DropAll', []],
    [helloworld, ['admin', 'call'], 'Admin.Call', []],
    [service('foo-bar', 'FooBar.Call'), ['call'], 'FooBar.Call', []],
    [service('v1.foo', 'Foo.Call'), [], 'Foo.Call', []],
    [service('odd', 'Other.Call'), [], 'Other.Call', []],
  ])('choose an endpoint', (view, args, name, rest) => {
    const chosen = chooseEndpoint(view, args);
    expect(chosen.endpoint.name).toBe(name);
    expect(chosen.rest).toEqual(rest);
  });

  it('say what there is when there is no such endpoint', () => {
    const { message, exitCode } = failure(() => chooseEndpoint(helloworld, ['pingpnog']));
    expect(exitCode).toBe(exitCodes.methodNotFound);
    expect(message).toBe(
      'service helloworld has no endpoint pingpnog; did you mean PingPong? (it has Helloworld.Call, Helloworld.PingPong, Admin.Call, Admin.DropAll)',
    );
    expect(failure(() => chooseEndpoint(service('two', 'A.Call', 'B.Call'), [])).message).toMatch(
      /ambiguous in two: say which of A\.Call, B\.Call/,
    );
    expect(failure(() => chooseEndpoint(helloworld, ['a', 'b', 'c'])).message).toMatch(/unexpected argument "c"/);
  });

  it('are what help shows', () => {
    expect(helloworld.endpoints.map((endpoint) => wordsFor(helloworld, endpoint))).toEqual([
      'call',
      'ping-pong',
      'admin call',
      'drop-all',
    ]);
    for (const endpoint of helloworld.endpoints)
      expect(chooseEndpoint(helloworld, wordsFor(helloworld, endpoint).split(' ')).endpoint).toBe(endpoint);
  });
});

describe('the name of an endpoint', () => {
  it.each([
    'Helloworld.PingPong',
    'helloworld.pingpong',
    'PingPong',
    'helloworld.Helloworld/PingPong',
    '/helloworld.Helloworld/PingPong',
  ])('%s', (name) => {
    expect(namedEndpoint(helloworld, name).name).toBe('Helloworld.PingPong');
  });

  it.each(['', '.', 'A.', '.B', 'A.B.C', 'a b', 'a/b/c', '/x', '../..', 'x'.repeat(10_000) + '!'])(
    'malformed: %j',
    (name) => {
      expect(failure(() => namedEndpoint(helloworld, name)).exitCode).toBe(exitCodes.malformedMethod);
    },
  );
});
