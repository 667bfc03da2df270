import { endpointsOf, parseSchema } from '@micro/proto';
import type { Endpoint, Service } from '@micro/registry';
import { describe, expect, it } from 'vitest';
import type { Method } from './method.js';
import { cleanPath } from './path.js';
import { RoutingTable, unknownEndpoint, type Version } from './routing-table.js';

const library = parseSchema({
  'library.proto': `syntax = "proto3"; package library;
    import "google/api/annotations.proto"; import "google/protobuf/empty.proto";
    message Book { string name = 1; } message Nothing {}
    service Library {
      rpc GetBook(Book) returns (Book) {
        option (google.api.http) = { get: "/v1/{name=books/*}" additional_bindings { get: "/books" } additional_bindings { post: "/v1/{name=books/*}:read" body: "*" } };
      }
      rpc DropBook(Book) returns (google.protobuf.Empty) { option (google.api.http) = { delete: "/v1/{name=books/*}" }; }
      rpc Ping(Nothing) returns (Nothing);
    }`,
});

function version(
  name: string,
  endpoints: readonly Partial<Endpoint>[],
  options: { version?: string; schema?: typeof library } = {},
): Version {
  const full = endpoints.map((endpoint) => ({
    name: 'Foo.Call',
    path: `/${name}.Foo/Call`,
    kind: 'unary' as const,
    idempotency: 'unknown' as const,
    request: '',
    response: '',
    metadata: {},
    ...endpoint,
  }));
  const service: Service = { name, version: options.version ?? '1', metadata: {}, endpoints: full, nodes: [] };
  return { service, schema: { get: () => options.schema, mayDeclareRoutes: options.schema !== undefined } };
}

const withSchema = version('library', endpointsOf(library.service('library.Library')), { schema: library });

function tableOf(...versions: Version[]): {
  table: RoutingTable;
  problems: string[];
  route: (request: string, host?: string) => unknown;
} {
  const problems: string[] = [];
  const table = new RoutingTable(versions, (problem, method) => problems.push(`${method.endpoint.name}: ${problem}`));
  const route = (request: string, host = 'localhost') => {
    const [verb, path] = request.split(' ') as [string, string];
    const found = table.declared(verb, host, cleanPath(path));
    return found && 'value' in found
      ? [found.value.method.path, found.value.body, Object.fromEntries(found.variables)]
      : found;
  };
  return { table, problems, route };
}

describe('declared routes', () => {
  it('come from google.api.http, with additional bindings', () => {
    const { route, problems } = tableOf(withSchema);
    expect(route('GET /v1/books/7')).toEqual(['/library.Library/GetBook', '', { name: 'books/7' }]);
    expect(route('GET /books')).toEqual(['/library.Library/GetBook', '', {}]);
    expect(route('POST /v1/books/7:read')).toEqual(['/library.Library/GetBook', '*', { name: 'books/7' }]);
    expect(route('DELETE /v1/books/7')).toEqual(['/library.Library/DropBook', '', { name: 'books/7' }]);
    expect(route('PUT /v1/books/7')).toEqual({ allow: ['DELETE', 'GET'] });
    expect(problems).toEqual([]);
  });

  it('come from metadata, for hosts and methods', () => {
    const { route } = tableOf(
      version('foo', [{ metadata: { path: '/a, /b/{x}', method: 'get,put' } }]),
      version('hosted', [{ metadata: { path: '/a', host: 'One.example.com' } }]),
      version('wild', [{ metadata: { path: '/a', host: '*.example.com' } }]),
    );
    expect(route('GET /a')).toEqual(['/foo.Foo/Call', '*', {}]);
    expect(route('PUT /b/1')).toEqual(['/foo.Foo/Call', '*', { x: '1' }]);
    expect(route('POST /a')).toEqual({ allow: ['GET', 'PUT'] });
    expect(route('GET /a', 'one.example.com')).toEqual(['/hosted.Foo/Call', '*', {}]);
    expect(route('GET /a', 'x.y.example.com')).toEqual(['/wild.Foo/Call', '*', {}]);
    expect(route('GET /a', 'example.com')).toEqual(['/foo.Foo/Call', '*', {}]);
  });

  it('that cannot be had are left out and named', () => {
    const { problems, route } = tableOf(
      version('a', [{ metadata: { path: '/x' } }]),
      version('b', [{ metadata: { path: '/x,/{broken,/ok' } }]),
    );
    expect(problems).toEqual([
      'Foo.Call: another endpoint has * /x already',
      expect.stringContaining('braces do not match'),
    ]);
    expect(route('GET /ok')).toEqual(['/b.Foo/Call', '*', {}]);
    expect(route('GET /x')).toEqual(['/a.Foo/Call', '*', {}]);
  });
});

describe('services', () => {
  const { table } = tableOf(
    version(
      'foo',
      [
        { name: 'Foo.Call', path: '/old' },
        { name: 'Foo.Gone', path: '/gone' },
      ],
      { version: '1' },
    ),
    version(
      'foo',
      [
        { name: 'Foo.Call', path: '/new' },
        { name: 'FooBar.ListAll', path: '/list' },
      ],
      { version: '2' },
    ),
    withSchema,
  );
  const path = (service: string, endpoint: string) =>
    (table.service(service)?.find(endpoint) as Method | undefined)?.path;

  it('have the endpoints of all versions, the newest winning', () => {
    expect([path('foo', 'Foo.Call'), path('foo', 'Foo.Gone')]).toEqual(['/new', '/gone']);
  });

  it('find endpoints by name, then regardless of case and hyphens', () => {
    expect(path('foo', 'Foobar.list_all')).toBe('/list');
    expect(path('foo', 'constructor')).toBeUndefined();
    expect(path('constructor', 'Foo.Call')).toBeUndefined();
  });

  it('know which methods never answer anything', () => {
    const answers = ['GetBook', 'DropBook', 'Ping'].map(
      (name) => table.service('library')?.find(`Library.${name}`)?.neverAnswers,
    );
    expect(answers).toEqual([false, true, true]);
  });

  it('that are unknown lead to those that are near', () => {
    expect(table.unknownService('fooo', 'micro')).toMatchObject({
      code: 'not_found',
      detail: 'service "fooo" is not registered in namespace "micro"; did you mean foo?',
    });
    expect(table.unknownService('x'.repeat(9_000), 'micro').detail).not.toContain('did you mean');
    const foo = table.service('foo');
    expect(foo && unknownEndpoint(foo, 'Foo.Cal').detail).toBe(
      'service "foo" has no endpoint "Foo.Cal"; did you mean Foo.Call (/foo/call)?',
    );
    expect(foo && unknownEndpoint(foo, 'Foo.Unheard').detail).toContain(
      'it has Foo.Call (/foo/call), Foo.Gone (/foo/gone), FooBar.ListAll (/foo/fooBar/listAll)',
    );
  });
});
