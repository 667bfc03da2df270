import { registryProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { freePort } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RegistryCache } from './cache.js';
import { EventQueue } from './event-queue.js';
import { RegistryHandlers } from './handlers.js';
import { MemoryRegistry } from './memory.js';
import type { Registry, RegistryEvent, Service } from './registry.js';
import { RemoteRegistry } from './remote.js';

const soon = { timeout: 10_000, interval: 10 };

function service(
  name: string,
  fields: { version?: string; paths?: string[]; nodes?: Record<string, string> } = {},
): Service {
  const { version = 'latest', paths = [`/${name}.Greeter/Call`], nodes = { [`${name}-1`]: 'connect,grpc' } } = fields;
  return {
    name,
    version,
    metadata: {},
    endpoints: paths.map((path) => {
      return {
        name: 'Greeter.Call',
        path,
        kind: 'unary',
        idempotency: 'unknown',
        request: 'R',
        response: 'R',
        metadata: {},
      };
    }),
    nodes: Object.entries(nodes).map(([id, protocol]) => ({
      id,
      address: '127.0.0.1:1',
      metadata: { protocol, zone: 'z', region: 'r' },
    })),
  };
}

describe('a cache in front of a registry', () => {
  let registry: Registry;
  let cache: RegistryCache;
  beforeEach(() => {
    registry = new MemoryRegistry();
    cache = new RegistryCache(registry);
  });
  afterEach(async () => {
    await cache.close();
    await registry.close();
  });
  const ids = async (name: string) => (await cache.targets(name, 'micro')).map(({ id }) => id);

  it('answers at once when it is warm, with the same array until something changes', async () => {
    await registry.register(service('a'));
    expect(cache.targets('a', 'micro')).toBeInstanceOf(Promise);
    await cache.ready('micro');
    const before = cache.targets('a', 'micro');
    expect(before).toEqual([{ id: 'a-1', address: '127.0.0.1:1', connect: true, region: 'r', zone: 'z' }]);
    await registry.register(service('b'));
    await registry.register(service('a', { paths: ['/a.Greeter/Other'] }));
    await expect.poll(() => cache.endpoint('micro', '/a.Greeter/Other')?.service.name, soon).toBe('a');
    expect(cache.targets('a', 'micro')).toBe(before);
    expect(cache.targets('nobody', 'micro')).toBe(cache.targets('nobody either', 'micro'));
    await registry.register(service('a', { nodes: { 'a-2': 'grpc' } }));
    await expect.poll(() => ids('a'), soon).toEqual(['a-1', 'a-2']);
  });

  it('finds services whose names mean something to JavaScript, and does not find what nobody registered', async () => {
    const odd = ['__proto__', 'constructor', 'toString', '0', '4294967295'];
    await cache.ready();
    for (const name of odd) expect(await ids(name)).toEqual([]);
    for (const name of odd) await registry.register(service(name));
    for (const name of odd) await expect.poll(() => ids(name), soon).toEqual([`${name}-1`]);
    for (const name of odd) await registry.deregister(service(name));
    for (const name of odd) await expect.poll(() => ids(name), soon).toEqual([]);
  });

  it('gathers the nodes of all versions, and knows what they speak', async () => {
    await registry.register(service('a', { version: '1', nodes: { one: 'grpc', page: 'http', silent: '' } }));
    await registry.register(service('a', { version: '2', nodes: { two: 'grpc, connect' } }));
    const targets = await cache.targets('a', 'micro');
    expect(targets.map(({ id, connect }) => `${id} ${connect}`)).toEqual(['one false', 'silent false', 'two true']);
    expect((await cache.service('a')).map(({ version }) => version)).toEqual(['1', '2']);
  });

  it('finds methods by path: of the namesake first, then of the latest version', async () => {
    const path = '/a.Greeter/Call';
    await registry.register(service('z', { paths: [path] }));
    await cache.ready();
    expect(cache.endpoint('micro', path)?.service.name).toBe('z');
    await registry.register(service('a', { version: '2' }));
    await registry.register(service('a', { version: '1' }));
    await expect.poll(() => cache.services().length, soon).toBe(3);
    expect(cache.endpoint('micro', path)?.service).toMatchObject({ name: 'a', version: '2' });
    await registry.deregister(service('a', { version: '2' }));
    await expect.poll(() => cache.endpoint('micro', path)?.service.version, soon).toBe('1');
    await registry.deregister(service('a', { version: '1' }));
    await expect.poll(() => cache.endpoint('micro', path)?.service.name, soon).toBe('z');
    expect(cache.endpoint('micro', '/nobody.X/Y')).toBeUndefined();
  });

  it('keeps namespaces apart, tells of their changes, and refuses those that cannot be', async () => {
    const changed: string[] = [];
    const stop = cache.onChange((namespace) => changed.push(namespace));
    await cache.ready('foo');
    await cache.ready('bar');
    changed.length = 0;
    await registry.register(service('a'), { namespace: 'foo' });
    await expect.poll(() => changed, soon).toEqual(['foo']);
    expect([cache.services('foo').length, cache.services('bar').length]).toEqual([1, 0]);
    stop();
    await registry.register(service('b'), { namespace: 'foo' });
    await expect.poll(() => cache.services('foo').length, soon).toBe(2);
    expect(changed).toEqual(['foo']);
    for (const namespace of ['', 'a b', '../x']) {
      await expect(cache.targets('a', namespace)).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });

  it('tells the platform’s own services from what users run in micro', async () => {
    const path = '/a.Greeter/Call';
    const own = service('a', { version: '1' });
    const [node] = own.nodes;
    await registry.register({
      ...own,
      nodes: [{ id: 'own', address: '127.0.0.1:1', metadata: { ...node?.metadata, shared: 'true' } }],
    });
    await registry.register(service('a', { version: '1', nodes: { users: 'grpc' } }));
    await registry.register(service('a', { version: '2', nodes: { newer: 'grpc' } }));
    expect((await cache.sharedTargets('a')).map(({ id }) => id)).toEqual(['own']);
    expect(await ids('a')).toEqual(['own', 'users', 'newer']);
    expect([cache.sharedEndpoint(path)?.service.version, cache.endpoint('micro', path)?.service.version]).toEqual([
      '1',
      '2',
    ]);
    await registry.register({ ...own, nodes: [{ id: 'own', address: '127.0.0.1:1', metadata: {} }] });
    await expect.poll(() => cache.sharedEndpoint(path), soon).toBeUndefined();
    expect(await cache.sharedTargets('a')).toEqual([]);
  });
});

describe('namespaces that callers name', () => {
  /** A registry that counts its open watches, and a cache of it. */
  const counted = (options: { idle?: number } = {}) => {
    const registry = new MemoryRegistry();
    const watched = new Set<string | undefined>();
    const watch = registry.watch.bind(registry);
    registry.watch = async function* (given = {}) {
      watched.add(given.namespace);
      try {
        yield* watch(given);
      } finally {
        watched.delete(given.namespace);
      }
    };
    return { registry, watched, cache: new RegistryCache(registry, options) };
  };

  it('do not push out those in which there are services, and leave no watch behind', async () => {
    const { registry, watched, cache } = counted();
    for (const namespace of ['micro', 'team']) await registry.register(service('a'), { namespace });
    const targets = await Promise.all([cache.targets('a', 'micro'), cache.targets('a', 'team')]);
    for (let index = 0; index < 1_000; index++) await cache.ready(`n${index}`);
    await expect.poll(() => watched.size, soon).toBe(256);
    expect([cache.targets('a', 'micro'), cache.targets('a', 'team')]).toEqual(targets);
    await registry.register(service('a'), { namespace: 'late' });
    expect(await cache.targets('a', 'late')).toHaveLength(1);
    await cache.close();
    await expect.poll(() => watched.size, soon).toBe(0);
  });

  it('push out the one asked for longest ago', async () => {
    const { registry, watched, cache } = counted();
    for (let index = 0; index < 300; index++) {
      await registry.register(service('a'), { namespace: `n${index}` });
      expect(await cache.targets('a', `n${index}`)).toHaveLength(1);
      expect(await cache.targets('a', 'n0')).toHaveLength(1);
    }
    await expect.poll(() => watched.size, soon).toBe(256);
    expect([watched.has('n0'), watched.has('n1'), watched.has('n299')]).toEqual([true, false, true]);
    await cache.close();
  });

  it('are let go when nobody asks for them any more, but for the own one', async () => {
    const { registry, watched, cache } = counted({ idle: 200 });
    for (const namespace of ['micro', 'busy', 'idle']) {
      await registry.register(service('a'), { namespace });
      await cache.ready(namespace);
    }
    await expect
      .poll(() => {
        expect(cache.services('busy')).toHaveLength(1);
        return [...watched].sort();
      }, soon)
      .toEqual(['busy', 'micro']);
    expect(await cache.targets('a', 'idle')).toHaveLength(1);
    expect(watched.has('idle')).toBe(true);
    await cache.close();
  });

  it('are refused only while too many others are waited for, and those that cannot be push out nobody', async () => {
    const { registry, watched, cache } = counted();
    await cache.ready();
    for (let index = 0; index < 1_000; index++) await expect(cache.ready(`not ${index}`)).rejects.toThrow('namespace');
    expect([...watched]).toEqual(['micro']);
    const { watch } = registry;
    registry.watch = () => new EventQueue();
    const waiting = Array.from({ length: 255 }, (_, index) =>
      cache.ready(`n${index}`).catch((error: unknown) => error),
    );
    await expect(cache.ready('another')).rejects.toMatchObject({ code: 'resource_exhausted' });
    expect(await Promise.all(waiting)).toMatchObject(waiting.map(() => ({ code: 'unavailable' })));
    registry.watch = watch;
    await cache.ready('another');
    await cache.close();
  });
});

describe('a cache in front of a registry that goes away', () => {
  let memory: MemoryRegistry;
  let server: RpcServer | undefined;
  let port: number;
  const close: (() => unknown)[] = [];

  const serve = async (epoch: string) => {
    const handlers = new RegistryHandlers(memory, epoch);
    server = new RpcServer({ name: 'registry', port });
    server.add(registryProto.Registry, {
      register: (request, context) => handlers.register(request, context),
      deregister: (request, context) => handlers.deregister(request, context),
      getService: (request, context) => handlers.getService(request, context),
      watch: (request, context) => handlers.watch(request, context),
    });
    await server.listen();
  };
  const goAway = () => server?.close({ graceMs: 0 });

  const remote = () => {
    const client = new Client({ discovery: fixedTargets(`127.0.0.1:${port}`), timeout: 1_000 });
    const registry = new RemoteRegistry(client);
    const cache = new RegistryCache(registry);
    close.push(async () => {
      await cache.close();
      await registry.close();
      await client.close();
    });
    return { registry, cache };
  };

  beforeEach(async () => {
    memory = new MemoryRegistry();
    port = await freePort();
    await serve('first');
  });
  afterEach(async () => {
    for (const one of close.splice(0)) await one();
    await goAway();
  });

  const names = (cache: RegistryCache) => cache.services().map(({ name }) => name);

  it('goes on answering what it knew, and takes over the difference', async () => {
    const { registry, cache } = remote();
    await memory.register(service('a'));
    await memory.register(service('b'));
    await cache.ready();
    await goAway();
    await expect(registry.list()).rejects.toMatchObject({
      code: expect.stringMatching(/unavailable|deadline_exceeded/),
    });
    expect(names(cache)).toEqual(['a', 'b']);
    expect(cache.targets('a', 'micro')).toHaveLength(1);
    await memory.deregister(service('a'));
    await memory.register(service('c'));
    await serve('first');
    await expect.poll(() => names(cache), soon).toEqual(['b', 'c']);
  });

  it('does not take a registry that was started again for one that everybody has left', async () => {
    const { registry, cache } = remote();
    const events: RegistryEvent['type'][] = [];
    const ending = new AbortController();
    close.unshift(() => ending.abort());
    void (async () => {
      for await (const { type } of registry.watch({ signal: ending.signal })) events.push(type);
    })();
    await memory.register(service('others'));
    await registry.register(service('own'));
    await cache.ready();
    await expect.poll(() => events.filter((type) => type === 'created').length, soon).toBe(2);
    await goAway();
    memory = new MemoryRegistry();
    await serve('second');
    // Registered by this one: told again at once, not with the next renewal.
    await expect.poll(() => memory.list(), soon).toMatchObject([{ name: 'own' }]);
    await memory.register(service('new'));
    await expect.poll(() => names(cache), soon).toEqual(['new', 'others', 'own']);
    expect(events).not.toContain('deleted');
  });

  it('says so when the registry was never there', async () => {
    await goAway();
    const { cache } = remote();
    await expect(cache.ready()).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('micro server'),
    });
  });
});
