import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Endpoint, Node, Registry, RegistryEvent, Service } from './registry.js';

/** What an adapter can do beyond the contract. The suite checks that it is there where it is declared, and not where it is not. */
export interface RegistryCapabilities {
  /** Registrations are seen by other processes of the machine, and outlive none of them by more than their time to live. */
  readonly crossProcess: boolean;
}

/** Registries of one adapter that all see the same services, and nobody else's. */
export interface RegistryWorld {
  open(): Promise<Registry>;
  /** Registers from a process of its own, and returns once that is done. `kill` is kill -9. */
  registerElsewhere(service: Service, ttl: number): Promise<{ kill(): Promise<void> }>;
  /** Called after all registries are closed. */
  close(): Promise<void>;
}

const soon = { timeout: 10_000, interval: 10 };
/** Milliseconds: registrations take at least a second to expire, and the machine may be busy. Whoever runs the suite need not know. */
const testTimeout = 20_000;

/** The contract of registry.ts, run on an adapter. */
export function registryContract(
  adapter: string,
  capabilities: RegistryCapabilities,
  create: () => Promise<RegistryWorld>,
): void {
  describe(`${adapter} registry`, { timeout: testTimeout }, () => {
    let world: RegistryWorld;
    let registry: Registry;
    let opened: Registry[];

    const open = async () => {
      const another = await world.open();
      opened.push(another);
      return another;
    };
    const names = async (from: Registry = registry) =>
      (await from.list()).map(({ name, version }) => `${name} ${version}`);
    const nodes = async (name: string, from: Registry = registry) =>
      (await from.get(name)).flatMap((service) => service.nodes.map(({ id }) => id)).sort();

    beforeEach(async () => {
      opened = [];
      world = await create();
      registry = await open();
    });
    afterEach(async () => {
      await Promise.all(opened.map((one) => one.close()));
      await world.close();
    });

    describe('reading', () => {
      it('answers an unknown name and an empty namespace with an empty list', async () => {
        expect(await registry.get('nobody')).toEqual([]);
        expect(await registry.get('')).toEqual([]);
        expect(await registry.list()).toEqual([]);
      });

      it('gives back every field as it was registered, here and elsewhere', async () => {
        const other = await open();
        const service = greeter({
          metadata: { owner: 'team greetings', ключ: 'значение', empty: '' },
          endpoints: [
            endpoint('Call', { kind: 'unary', idempotency: 'idempotent', metadata: { description: 'says "hello"\n' } }),
            endpoint('Get', { kind: 'unary', idempotency: 'noSideEffects' }),
            endpoint('Stream', { kind: 'serverStream' }),
            endpoint('Collect', { kind: 'clientStream' }),
            endpoint('PingPong', { kind: 'bidiStream' }),
          ],
          nodes: [
            node('a', { metadata: { protocol: 'connect,grpc', region: 'eu', zone: 'eu-1', 'Odd Key=': 'ä=b\0' } }),
          ],
          schema: Uint8Array.of(0, 1, 2, 255, 0),
        });
        await registry.register(service);
        expect(await registry.get('greeter')).toEqual([service]);
        await expect.poll(() => other.get('greeter'), soon).toEqual([service]);
        expect(await other.list()).toEqual([service]);
      });

      it('keeps keys that mean something to JavaScript', async () => {
        const metadata = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
        const other = await open();
        await registry.register(greeter({ metadata, nodes: [node('a', { metadata })] }));
        for (const reader of [registry, other]) {
          await expect.poll(() => nodes('greeter', reader), soon).toEqual(['a']);
          const [service] = await reader.get('greeter');
          expect(Object.entries(service?.metadata ?? {}).sort()).toEqual(Object.entries(metadata).sort());
          expect(Object.entries(service?.nodes[0]?.metadata ?? {}).sort()).toEqual(Object.entries(metadata).sort());
        }
      });

      it('carries a description of 64 KB that does not compress', async () => {
        const other = await open();
        const service = greeter({ schema: new Uint8Array(randomBytes(64 * 1024)) });
        await registry.register(service);
        await expect.poll(() => other.get('greeter'), soon).toEqual([service]);
      });

      it('lists by name, then version, by code unit', async () => {
        for (const [name, version] of [
          ['b', '1'],
          ['a', '10'],
          ['ä', '1'],
          ['a', '9'],
          ['B', '1'],
          ['a.b', '1'],
        ] as const) {
          await registry.register(greeter({ name, version }));
        }
        expect(await names()).toEqual(['B 1', 'a 10', 'a 9', 'a.b 1', 'b 1', 'ä 1']);
        expect((await registry.get('a')).map(({ version }) => version)).toEqual(['10', '9']);
      });

      it('is not changed by what the caller does to its objects later', async () => {
        const metadata = { owner: 'me' };
        await registry.register(greeter({ metadata }));
        metadata.owner = 'you';
        expect((await registry.get('greeter'))[0]?.metadata).toEqual({ owner: 'me' });
      });
    });

    describe('registering', () => {
      it('gathers the nodes of one version, whoever registered them', async () => {
        const other = await open();
        await registry.register(greeter({ nodes: [node('a')] }));
        await registry.register(greeter({ nodes: [node('b'), node('c')] }));
        await other.register(greeter({ nodes: [node('d')] }));
        for (const reader of [registry, other])
          await expect.poll(() => nodes('greeter', reader), soon).toEqual(['a', 'b', 'c', 'd']);
      });

      it('replaces a node that moved', async () => {
        await registry.register(greeter({ nodes: [node('a', { address: '127.0.0.1:1' })] }));
        await registry.register(greeter({ nodes: [node('a', { address: '[::1]:2' })] }));
        expect((await registry.get('greeter'))[0]?.nodes.map(({ address }) => address)).toEqual(['[::1]:2']);
      });

      it('lets the last registration decide on endpoints, metadata and schema, and renewals on nothing', async () => {
        const other = await open();
        const old = greeter({ nodes: [node('a')], metadata: { build: '1' } });
        await registry.register(old);
        await expect.poll(() => nodes('greeter', other), soon).toEqual(['a']);
        await other.register(greeter({ nodes: [node('b')], metadata: { build: '2' } }));
        await expect.poll(() => nodes('greeter'), soon).toEqual(['a', 'b']);
        await registry.register(old);
        for (const reader of [registry, other])
          expect((await reader.get('greeter'))[0]?.metadata).toEqual({ build: '2' });
      });

      it('takes many at once', async () => {
        const others = await Promise.all([open(), open()]);
        const all = [registry, ...others];
        const services = Array.from({ length: 60 }, (_, index) =>
          greeter({ name: `s${index}`, nodes: [node(`n${index}`)] }),
        );
        await Promise.all(services.map((service, index) => all[index % all.length]?.register(service)));
        for (const reader of all) await expect.poll(async () => (await reader.list()).length, soon).toBe(60);
      });

      it.each([
        'a b',
        'v1.greeter',
        'größe',
        '挨拶',
        '👋',
        '__proto__',
        'constructor',
        'a/b?c=d&e',
        '"quoted"',
        '..',
        'A',
        '-',
        'x'.repeat(200),
      ])('takes %j for a name, a version and a node', async (odd) => {
        const other = await open();
        const service = greeter({ name: odd, version: odd, nodes: [node(odd)] });
        await registry.register(service);
        await registry.register(greeter({ name: odd.toLowerCase(), version: 'other', nodes: [node('other')] }));
        await expect
          .poll(async () => (await other.get(odd)).find(({ version }) => version === odd), soon)
          .toEqual(service);
        await registry.deregister(service);
        expect(await nodes(odd)).not.toContain(odd);
      });

      it.each([
        ['name', greeter({ name: '' })],
        ['name', greeter({ name: ' ' })],
        ['name', greeter({ name: 'x'.repeat(10_000) })],
        ['name', greeter({ name: 'a\0b' })],
        ['name', greeter({ name: '\ud800' })],
        ['version', greeter({ version: '' })],
        ['version', greeter({ version: '1\r\n' })],
        ['id', greeter({ nodes: [node('')] })],
        ['nodes', greeter({ nodes: [] })],
        ['address', greeter({ nodes: [node('a', { address: '' })] })],
        ['address', greeter({ nodes: [node('a', { address: 'nowhere' })] })],
        ['address', greeter({ nodes: [node('a', { address: '127.0.0.1:0' })] })],
        ['address', greeter({ nodes: [node('a', { address: '127.0.0.1:65536' })] })],
        ['address', greeter({ nodes: [node('a', { address: 'http://x:1/' })] })],
      ])('refuses a malformed %s, naming it', async (what, service) => {
        await expect(registry.register(service)).rejects.toMatchObject({
          code: 'invalid_argument',
          detail: expect.stringContaining(what),
        });
        expect(await registry.list()).toEqual([]);
      });

      it('refuses a malformed ttl or namespace', async () => {
        const refusal = { code: 'invalid_argument' };
        for (const ttl of [0, 999, -1, NaN, Infinity])
          await expect(registry.register(greeter(), { ttl })).rejects.toMatchObject(refusal);
        for (const namespace of ['', 'a b', '../x', 'ü', 'x'.repeat(10_000)]) {
          await expect(registry.register(greeter(), { namespace })).rejects.toMatchObject(refusal);
          await expect(registry.list({ namespace })).rejects.toMatchObject(refusal);
          await expect(first(registry.watch({ namespace }))).rejects.toMatchObject(refusal);
        }
      });
    });

    describe('namespaces', () => {
      it('cannot see one another', async () => {
        await registry.register(greeter({ nodes: [node('a')] }), { namespace: 'foo' });
        await registry.register(greeter({ nodes: [node('b')] }), { namespace: 'bar' });
        await registry.register(greeter({ nodes: [node('a')] }), { namespace: '__proto__' });
        expect(await registry.list()).toEqual([]);
        expect(await registry.get('greeter', { namespace: 'foo' })).toEqual([greeter({ nodes: [node('a')] })]);
        await registry.deregister(greeter({ nodes: [node('a'), node('b')] }), { namespace: 'foo' });
        expect(await registry.list({ namespace: 'foo' })).toEqual([]);
        expect(await registry.list({ namespace: 'bar' })).toHaveLength(1);
        expect(await registry.list({ namespace: '__proto__' })).toHaveLength(1);
      });

      it('is micro unless said otherwise', async () => {
        await registry.register(greeter());
        expect(await registry.list({ namespace: 'micro' })).toEqual([greeter()]);
      });
    });

    describe('deregistering', () => {
      it('takes the given nodes, and the service with its last one', async () => {
        const other = await open();
        await registry.register(greeter({ nodes: [node('a'), node('b')] }));
        await expect.poll(() => nodes('greeter', other), soon).toEqual(['a', 'b']);
        await registry.deregister(greeter({ nodes: [node('a')] }));
        expect(await nodes('greeter')).toEqual(['b']);
        await expect.poll(() => nodes('greeter', other), soon).toEqual(['b']);
        await registry.deregister(greeter({ nodes: [node('b')] }));
        expect(await registry.get('greeter')).toEqual([]);
        await expect.poll(() => names(other), soon).toEqual([]);
      });

      it('works from anywhere, and does not stand in the way of registering again', async () => {
        const other = await open();
        await registry.register(greeter());
        await expect.poll(() => names(other), soon).toEqual(['greeter latest']);
        await other.deregister(greeter());
        expect(await names(other)).toEqual([]);
        await expect.poll(() => names(), soon).toEqual([]);
        await registry.register(greeter());
        await expect.poll(() => names(other), soon).toEqual(['greeter latest']);
      });

      it('minds neither unknown nodes nor unknown services', async () => {
        await registry.register(greeter({ nodes: [node('a')] }));
        await registry.deregister(greeter({ nodes: [node('z')] }));
        await registry.deregister(greeter({ name: 'nobody' }));
        await registry.deregister(greeter({ version: 'other', nodes: [node('a')] }));
        expect(await nodes('greeter')).toEqual(['a']);
      });
    });

    describe('time to live', () => {
      it('ends what is not renewed, and nothing that is', async () => {
        const other = await open();
        const kept = greeter({ name: 'kept' });
        const left = greeter({ name: 'left' });
        const watch = listen(other);
        await expect.poll(() => watch.seen, soon).toEqual(['synced']);
        await registry.register(kept, { ttl: 3_000 });
        await registry.register(left, { ttl: 3_000 });
        const renewing = setInterval(() => void registry.register(kept, { ttl: 3_000 }), 500);
        try {
          await expect.poll(() => watch.seen, soon).toContain('deleted left');
          await expect.poll(() => names(), soon).toEqual(['kept latest']);
          expect(await names(other)).toEqual(['kept latest']);
        } finally {
          clearInterval(renewing);
        }
        await expect.poll(() => names(other), soon).toEqual([]);
        await expect
          .poll(() => watch.seen.filter((event) => event.endsWith('kept')), soon)
          .toEqual(['created kept', 'deleted kept']);
      });
    });

    describe('watching', () => {
      it('tells what is there, then synced, then every change in order', async () => {
        await registry.register(greeter({ name: 'b' }));
        await registry.register(greeter({ name: 'a' }));
        const watch = listen(registry);
        await expect.poll(() => watch.seen, soon).toEqual(['created a', 'created b', 'synced']);
        const added = greeter({ name: 'a', nodes: [node('a2')] });
        await registry.register(added);
        await registry.deregister(added);
        await registry.register(greeter({ name: 'a', metadata: { build: '2' } }));
        await registry.deregister(greeter({ name: 'a' }));
        await registry.register(greeter({ name: 'c' }));
        const changes = ['updated a', 'updated a', 'updated a', 'deleted a', 'created c'];
        await expect.poll(() => watch.seen.slice(3), soon).toEqual(changes);
        expect(
          watch.events.slice(3).map((event) => (event.type === 'synced' ? 0 : event.service.nodes.length)),
        ).toEqual([2, 1, 1, 1, 1]);
        expect(watch.events[7]).toEqual({ type: 'created', service: greeter({ name: 'c' }) });
      });

      it('tells another registry the same', async () => {
        const watch = listen(await open());
        await expect.poll(() => watch.seen, soon).toEqual(['synced']);
        await registry.register(greeter());
        await registry.register(greeter({ metadata: { build: '2' } }));
        await registry.deregister(greeter());
        await expect
          .poll(() => watch.seen, soon)
          .toEqual(['synced', 'created greeter', 'updated greeter', 'deleted greeter']);
      });

      it('says nothing of renewals that change nothing', async () => {
        const other = await open();
        await registry.register(greeter());
        const watches = [listen(registry), listen(other)];
        for (const watch of watches) await expect.poll(() => watch.seen, soon).toContain('synced');
        for (const watch of watches) await expect.poll(() => watch.seen, soon).toContain('created greeter');
        for (let times = 0; times < 5; times++) await registry.register(greeter());
        await registry.register(greeter({ name: 'next' }));
        for (const watch of watches) {
          await expect.poll(() => watch.seen, soon).toContain('created next');
          expect(watch.seen.filter((event) => event.endsWith('greeter'))).toEqual(['created greeter']);
        }
      });

      it('of one name tells only that name', async () => {
        await registry.register(greeter());
        await registry.register(greeter({ name: 'other' }));
        const watch = listen(registry, { name: 'greeter' });
        await expect.poll(() => watch.seen, soon).toEqual(['created greeter', 'synced']);
        await registry.deregister(greeter({ name: 'other' }));
        await registry.register(greeter({ version: '2' }));
        await expect.poll(() => watch.seen, soon).toEqual(['created greeter', 'synced', 'created greeter']);
      });

      it('loses nothing that happens while it begins', async () => {
        const services = Array.from({ length: 40 }, (_, index) => greeter({ name: `s${index}` }));
        const registering = services.map((service) => registry.register(service));
        const watch = listen(registry);
        await Promise.all(registering);
        await expect.poll(() => watch.seen.length, soon).toBe(41);
        expect(new Set(watch.seen).size).toBe(41);
      });

      it('ends, quietly, when its signal aborts, its consumer leaves or the registry closes', async () => {
        const controller = new AbortController();
        const aborted = listen(registry, { signal: controller.signal });
        const closed = listen(registry);
        for (const watch of [aborted, closed]) await expect.poll(() => watch.seen, soon).toEqual(['synced']);
        for await (const event of registry.watch()) if (event.type === 'synced') break;
        controller.abort();
        await aborted.done;
        await registry.close();
        await closed.done;
        expect(await all(registry.watch({ signal: AbortSignal.abort() }))).toEqual([]);
      });
    });

    describe('closing', () => {
      it('withdraws what it registered, and nothing else; once', async () => {
        const other = await open();
        await registry.register(greeter({ nodes: [node('a')] }));
        await other.register(greeter({ nodes: [node('b')] }));
        await expect.poll(() => nodes('greeter', other), soon).toEqual(['a', 'b']);
        await registry.close();
        await registry.close();
        await expect.poll(() => nodes('greeter', other), soon).toEqual(['b']);
        await expect(registry.list()).rejects.toMatchObject({ code: 'failed_precondition' });
        await expect(registry.register(greeter())).rejects.toMatchObject({ code: 'failed_precondition' });
      });
    });

    describe('other processes', () => {
      it(`${capabilities.crossProcess ? 'are seen, and gone within their time to live after kill -9' : 'are not seen'}`, async () => {
        const elsewhere = await world.registerElsewhere(greeter(), 3_000);
        try {
          if (!capabilities.crossProcess) return expect(await registry.list()).toEqual([]);
          await expect.poll(() => registry.list(), soon).toEqual([greeter()]);
          await elsewhere.kill();
          await expect.poll(() => registry.list(), soon).toEqual([]);
        } finally {
          await elsewhere.kill();
        }
      });
    });
  });
}

function greeter(fields: Partial<Service> = {}): Service {
  return {
    name: 'greeter',
    version: 'latest',
    metadata: {},
    endpoints: [endpoint('Call')],
    nodes: [node('n1')],
    schema: Uint8Array.of(1, 2, 3),
    ...fields,
  };
}

function endpoint(name: string, fields: Partial<Endpoint> = {}): Endpoint {
  return {
    name: `Greeter.${name}`,
    path: `/greeter.Greeter/${name}`,
    kind: 'unary',
    idempotency: 'unknown',
    request: `greeter.${name}Request`,
    response: `greeter.${name}Response`,
    metadata: {},
    ...fields,
  };
}

function node(id: string, fields: Partial<Node> = {}): Node {
  return { id, address: '127.0.0.1:4321', metadata: { protocol: 'connect,grpc' }, ...fields };
}

/** Reads a watch to its end and keeps what it told, also as short texts. */
function listen(registry: Registry, options: Parameters<Registry['watch']>[0] = {}) {
  const events: RegistryEvent[] = [];
  const seen: string[] = [];
  const read = async () => {
    for await (const event of registry.watch(options)) {
      events.push(event);
      seen.push(event.type === 'synced' ? 'synced' : `${event.type} ${event.service.name}`);
    }
  };
  return { events, seen, done: read() };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function first<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}
