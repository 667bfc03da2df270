import { describe, expect, it } from 'vitest';
import type { ContractRig } from '../registry.contract.js';
import { first, greeter, node, soon } from './services.fixture.js';

/** What `register` takes, what it refuses, and for whom. */
export function registeringContract(rig: ContractRig): void {
  describe('registering', () => {
    it('gathers the nodes of one version, whoever registered them', async () => {
      const other = await rig.open();
      await rig.registry.register(greeter({ nodes: [node('a')] }));
      await rig.registry.register(greeter({ nodes: [node('b'), node('c')] }));
      await other.register(greeter({ nodes: [node('d')] }));
      for (const reader of [rig.registry, other])
        await expect.poll(() => rig.nodes('greeter', reader), soon).toEqual(['a', 'b', 'c', 'd']);
    });

    it('replaces a node that moved', async () => {
      await rig.registry.register(greeter({ nodes: [node('a', { address: '127.0.0.1:1' })] }));
      await rig.registry.register(greeter({ nodes: [node('a', { address: '[::1]:2' })] }));
      expect((await rig.registry.get('greeter'))[0]?.nodes.map(({ address }) => address)).toEqual(['[::1]:2']);
    });

    it('lets the last registration decide on endpoints, metadata and schema, and renewals on nothing', async () => {
      const other = await rig.open();
      const old = greeter({ nodes: [node('a')], metadata: { build: '1' } });
      await rig.registry.register(old);
      await expect.poll(() => rig.nodes('greeter', other), soon).toEqual(['a']);
      await other.register(greeter({ nodes: [node('b')], metadata: { build: '2' } }));
      await expect.poll(() => rig.nodes('greeter'), soon).toEqual(['a', 'b']);
      await rig.registry.register(old);
      for (const reader of [rig.registry, other])
        expect((await reader.get('greeter'))[0]?.metadata).toEqual({ build: '2' });
    });

    it('takes many at once', async () => {
      const others = await Promise.all([rig.open(), rig.open()]);
      const all = [rig.registry, ...others];
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
      const other = await rig.open();
      const service = greeter({ name: odd, version: odd, nodes: [node(odd)] });
      await rig.registry.register(service);
      await rig.registry.register(greeter({ name: odd.toLowerCase(), version: 'other', nodes: [node('other')] }));
      await expect
        .poll(async () => (await other.get(odd)).find(({ version }) => version === odd), soon)
        .toEqual(service);
      await rig.registry.deregister(service);
      expect(await rig.nodes(odd)).not.toContain(odd);
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
      await expect(rig.registry.register(service)).rejects.toMatchObject({
        code: 'invalid_argument',
        detail: expect.stringContaining(what),
      });
      expect(await rig.registry.list()).toEqual([]);
    });

    it('refuses a malformed ttl or namespace', async () => {
      const refusal = { code: 'invalid_argument' };
      for (const ttl of [0, 999, -1, NaN, Infinity])
        await expect(rig.registry.register(greeter(), { ttl })).rejects.toMatchObject(refusal);
      for (const namespace of ['', 'a b', '../x', 'ü', 'x'.repeat(10_000)]) {
        await expect(rig.registry.register(greeter(), { namespace })).rejects.toMatchObject(refusal);
        await expect(rig.registry.list({ namespace })).rejects.toMatchObject(refusal);
        await expect(first(rig.registry.watch({ namespace }))).rejects.toMatchObject(refusal);
      }
    });
  });

  describe('namespaces', () => {
    it('cannot see one another', async () => {
      await rig.registry.register(greeter({ nodes: [node('a')] }), { namespace: 'foo' });
      await rig.registry.register(greeter({ nodes: [node('b')] }), { namespace: 'bar' });
      await rig.registry.register(greeter({ nodes: [node('a')] }), { namespace: '__proto__' });
      expect(await rig.registry.list()).toEqual([]);
      expect(await rig.registry.get('greeter', { namespace: 'foo' })).toEqual([greeter({ nodes: [node('a')] })]);
      await rig.registry.deregister(greeter({ nodes: [node('a'), node('b')] }), { namespace: 'foo' });
      expect(await rig.registry.list({ namespace: 'foo' })).toEqual([]);
      expect(await rig.registry.list({ namespace: 'bar' })).toHaveLength(1);
      expect(await rig.registry.list({ namespace: '__proto__' })).toHaveLength(1);
    });

    it('is micro unless said otherwise', async () => {
      await rig.registry.register(greeter());
      expect(await rig.registry.list({ namespace: 'micro' })).toEqual([greeter()]);
    });
  });
}
