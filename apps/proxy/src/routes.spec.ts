import { openRegistry, type Registry, RegistryCache } from '@micro/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Routes } from './routes.js';

const service = (name: string, method: string, metadata: Record<string, string> = {}) => ({
  name,
  version: '1',
  metadata: {},
  nodes: [{ id: `${name}-1`, address: '127.0.0.1:1', metadata }],
  endpoints: [
    {
      name: method,
      path: `/${name}.${method.replace('.', '/')}`,
      kind: 'unary' as const,
      idempotency: 'idempotent' as const,
      request: '',
      response: '',
      metadata: {},
    },
  ],
});

let registry: Registry;
let cache: RegistryCache;
let routes: Routes;
beforeEach(async () => {
  registry = await openRegistry({ adapter: 'memory' });
  await registry.register(service('runtime', 'Runtime.Read', { shared: 'true' }));
  await registry.register(service('blog', 'Blog.Read'));
  await registry.register(service('orders', 'Orders.Create'), { namespace: 'team' });
  cache = new RegistryCache(registry);
  routes = new Routes(cache);
});
afterEach(async () => {
  await cache.close();
  await registry.close();
});

describe('routes', () => {
  it('lead to what the namespace has', async () => {
    const route = {
      namespace: 'team',
      service: 'orders',
      path: '/orders.Orders/Create',
      kind: 'unary',
      idempotent: true,
    };
    expect(await routes.find('team', '/orders.Orders/Create')).toEqual(route);
    expect(routes.find('team', '/orders.Orders/Create')).toEqual(route);
  });

  it('lead from any namespace to the services of the platform, and keep the namespace', async () => {
    expect(await routes.find(undefined, '/runtime.Runtime/Read')).toMatchObject({
      namespace: 'micro',
      service: 'runtime',
    });
    expect(await routes.find('team', '/runtime.Runtime/Read')).toMatchObject({ namespace: 'team', service: 'runtime' });
  });

  it('lead to what users run in micro from there alone', async () => {
    expect(await routes.find('micro', '/blog.Blog/Read')).toMatchObject({ service: 'blog' });
    await expect(async () => routes.find('team', '/blog.Blog/Read')).rejects.toMatchObject({ code: 'not_found' });
    await registry.register({ ...service('runtime', 'Runtime.Read'), version: '2' });
    await expect.poll(() => cache.services().length).toBe(3);
    expect(await routes.find('team', '/runtime.Runtime/Read')).toMatchObject({ service: 'runtime' });
  });

  it('lead to no other namespace', async () => {
    await expect(async () => routes.find('other', '/orders.Orders/Create')).rejects.toMatchObject({
      code: 'not_found',
      id: 'proxy',
    });
    await expect(async () => routes.find('micro', '/orders.Orders/Create')).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(async () => routes.find('team', '/orders.Orders/Drop')).rejects.toMatchObject({
      code: 'unimplemented',
    });
  });
});
