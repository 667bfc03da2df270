import { parseSchema } from '@micro/proto';
import { openRegistry, RegistryCache } from '@micro/registry';
import { type Logger, silentLogger } from '@micro/telemetry';
import { until } from '@micro/testing';
import { expect, it } from 'vitest';
import { described } from './gateway.rig.js';
import { RoutingTables } from './tables.js';

const schemaWith = (path: string) =>
  parseSchema({
    'foo.proto': `syntax = "proto3"; package foo; import "google/api/annotations.proto"; message M {}
      service Foo { rpc Call(M) returns (M) { option (google.api.http) = { get: "${path}" }; } }`,
  });

it('follow the registry, and tell each problem once', async () => {
  const warnings: string[] = [];
  const logger: Logger = Object.assign(Object.create(silentLogger), {
    child: () => logger,
    warn: (message: string, fields?: object) => warnings.push(`${message} ${JSON.stringify(fields)}`),
  });
  const registry = await openRegistry({ adapter: 'memory' });
  const cache = new RegistryCache(registry);
  const tables = new RoutingTables(cache, logger);
  const find = async (method: string, path: string) => {
    const found = (await tables.latest('micro')).declared(method, '', { segments: path.split('/').slice(1) });
    return found && 'value' in found ? found.value.method.path : undefined;
  };
  try {
    expect((await tables.of('micro')).service('foo')).toBeUndefined();
    const service = described(schemaWith('/first').service('foo.Foo'), { name: 'foo', address: '127.0.0.1:1' });
    await registry.register(service);
    await until('the route is there', async () => (await find('GET', '/first')) === '/foo.Foo/Call');

    const other = described(schemaWith('/second').service('foo.Foo'), { name: 'foo', address: '127.0.0.1:1' });
    await registry.register(other);
    await until('the new route is there', async () => (await find('GET', '/second')) === '/foo.Foo/Call');
    expect(await find('GET', '/first')).toBeUndefined();

    await registry.register({
      ...described(schemaWith('/second').service('foo.Foo'), { name: 'goo', address: '127.0.0.1:2' }),
    });
    await registry.register({
      ...service,
      name: 'hoo',
      nodes: [{ id: 'h', address: '127.0.0.1:3', metadata: {} }],
      schema: Buffer.from('google/api/annotations.proto'),
    });
    await until('problems are told', async () => (await tables.latest('micro'), warnings.length >= 2));
    await registry.deregister(service);
    await until('the service is gone', async () => (await tables.latest('micro')).service('foo') === undefined);
    expect(warnings.sort()).toEqual([
      expect.stringContaining('a declared route is ignored {"service":"goo"'),
      expect.stringContaining('a schema cannot be read {"service":"hoo"'),
    ]);
  } finally {
    tables.onModuleDestroy();
    await cache.close();
    await registry.close();
  }
});
