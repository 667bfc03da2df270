import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import { openRegistry, type Registry, type RegistryEvent, type Service } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { silentLogger } from '@micro/telemetry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registryApp } from './registry.app.js';

const soon = { timeout: 10_000, interval: 10 };
const greeter: Service = {
  name: 'greeter',
  version: 'latest',
  metadata: {},
  endpoints: [],
  nodes: [{ id: 'g1', address: '127.0.0.1:1', metadata: { protocol: 'connect,grpc' } }],
};

describe('the registry app', () => {
  let app: RunningApp;
  let registry: Registry;
  let client: Client;

  beforeAll(async () => {
    registry = await openRegistry({ adapter: 'memory' });
    const environment = readEnvironment({
      MICRO_PROFILE: 'test',
      MICRO_ADDRESS: '127.0.0.1:0',
      MICRO_HOME: '/nonexistent',
      MICRO_STOP_DELAY: '0',
    });
    app = await startApp(registryApp, { environment, registry, logger: silentLogger });
    client = new Client({ discovery: fixedTargets(app.address) });
  });
  afterAll(async () => {
    await client.close();
    await app.stop();
    await registry.close();
  });

  const post = async (method: string, body: unknown, namespace = 'micro') => {
    const response = await fetch(`http://${app.address}/registry.Registry/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'micro-namespace': namespace },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const listed = async (namespace: string) => (await registry.list({ namespace })).map(({ name }) => name);

  it('is in its own list', async () => {
    const [service] = await registry.get('registry');
    expect(service?.nodes.map(({ address }) => address)).toEqual([app.address]);
    expect(service?.endpoints.map(({ path }) => path)).toContain('/registry.Registry/Watch');
  });

  it('takes and gives registrations by curl, in the namespace of the call', async () => {
    expect(await post('Register', { service: greeter, ttlMs: 60_000 }, 'curl')).toEqual({ status: 200, body: {} });
    expect([await listed('curl'), await listed('micro')]).toEqual([['greeter'], ['registry']]);
    const { body } = await post('GetService', { name: 'greeter' }, 'curl');
    expect(body).toEqual({ services: [{ name: 'greeter', version: 'latest', nodes: greeter.nodes }] });
    expect(await post('GetService', { name: 'greeter' }, 'other')).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    expect(
      await post('Deregister', { service: { name: 'greeter', version: 'latest', nodes: [{ id: 'g1' }] } }, 'curl'),
    ).toEqual({ status: 200, body: {} });
    expect((await post('ListServices', {}, 'curl')).body).toEqual({});
  });

  it('is the platform’s own to all namespaces, and lets nobody say so of itself over RPC', async () => {
    const [own] = await registry.get('registry');
    expect(own?.nodes[0]?.metadata).toMatchObject({ shared: 'true' });
    const nodes = [{ ...greeter.nodes[0], metadata: { shared: 'true', zone: 'z' } }];
    await post('Register', { service: { ...greeter, nodes }, ttlMs: 60_000 });
    expect((await registry.get('greeter'))[0]?.nodes[0]?.metadata).toEqual({ zone: 'z' });
    await registry.deregister(greeter);
  });

  it('lets a registration expire after the time to live that came with it', async () => {
    await post('Register', { service: greeter, ttlMs: 1_000 }, 'short');
    expect(await listed('short')).toEqual(['greeter']);
    await expect.poll(() => listed('short'), soon).toEqual([]);
  });

  it.each([
    ['no service', {}, 'has no service'],
    ['no name', { service: { version: '1', nodes: greeter.nodes } }, 'service name is empty'],
    ['no nodes', { service: { name: 'a', version: '1' } }, 'has no nodes'],
    ['an endless name', { service: { ...greeter, name: 'x'.repeat(10_000) } }, 'longer than'],
    ['a time to live of nothing', { service: greeter, ttlMs: 1 }, 'ttl 1 '],
    ['what is no JSON', '{"service":', ''],
  ])('refuses %s', async (_what, body, reason) => {
    const answer = await post('Register', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    expect(answer.body['message']).toContain(reason);
  });

  it('refuses namespaces that cannot be', async () => {
    expect(await post('ListServices', {}, 'a/../b')).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
  });

  it('tells watchers what happens, and ends their watches when they leave', async () => {
    const remote = await openRegistry({ adapter: 'remote', client });
    const seen: string[] = [];
    const ending = new AbortController();
    const watch = async () => {
      for await (const event of remote.watch({ namespace: 'watched', signal: ending.signal })) seen.push(told(event));
    };
    const watching = watch();
    await expect.poll(() => seen, soon).toEqual(['synced']);
    await registry.register(greeter, { namespace: 'watched' });
    await registry.deregister(greeter, { namespace: 'watched' });
    await expect.poll(() => seen, soon).toEqual(['synced', 'created greeter', 'deleted greeter']);
    ending.abort();
    await watching;
    await remote.close();
  });
});

function told(event: RegistryEvent): string {
  return event.type === 'synced' ? event.type : `${event.type} ${event.service.name}`;
}
