import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ContractRig } from '../registry.contract.js';
import { endpoint, greeter, node, soon } from './services.fixture.js';

/** What a registry answers to `get` and `list`. */
export function readingContract(rig: ContractRig): void {
  describe('reading', () => {
    it('answers an unknown name and an empty namespace with an empty list', async () => {
      expect(await rig.registry.get('nobody')).toEqual([]);
      expect(await rig.registry.get('')).toEqual([]);
      expect(await rig.registry.list()).toEqual([]);
    });

    it('gives back every field as it was registered, here and elsewhere', async () => {
      const other = await rig.open();
      const service = greeter({
        metadata: { owner: 'team greetings', ключ: 'значение', empty: '' },
        endpoints: [
          endpoint('Call', { kind: 'unary', idempotency: 'idempotent', metadata: { description: 'says "hello"\n' } }),
          endpoint('Get', { kind: 'unary', idempotency: 'noSideEffects' }),
          endpoint('Stream', { kind: 'serverStream' }),
          endpoint('Collect', { kind: 'clientStream' }),
          endpoint('PingPong', { kind: 'bidiStream' }),
        ],
        nodes: [node('a', { metadata: { protocol: 'connect,grpc', region: 'eu', zone: 'eu-1', 'Odd Key=': 'ä=b\0' } })],
        schema: Uint8Array.of(0, 1, 2, 255, 0),
      });
      await rig.registry.register(service);
      expect(await rig.registry.get('greeter')).toEqual([service]);
      await expect.poll(() => other.get('greeter'), soon).toEqual([service]);
      expect(await other.list()).toEqual([service]);
    });

    it('keeps keys that mean something to JavaScript', async () => {
      const metadata = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
      const other = await rig.open();
      await rig.registry.register(greeter({ metadata, nodes: [node('a', { metadata })] }));
      for (const reader of [rig.registry, other]) {
        await expect.poll(() => rig.nodes('greeter', reader), soon).toEqual(['a']);
        const [service] = await reader.get('greeter');
        expect(Object.entries(service?.metadata ?? {}).sort()).toEqual(Object.entries(metadata).sort());
        expect(Object.entries(service?.nodes[0]?.metadata ?? {}).sort()).toEqual(Object.entries(metadata).sort());
      }
    });

    it('carries a description of 64 KB that does not compress', async () => {
      const other = await rig.open();
      const service = greeter({ schema: new Uint8Array(randomBytes(64 * 1024)) });
      await rig.registry.register(service);
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
        await rig.registry.register(greeter({ name, version }));
      }
      expect(await rig.names()).toEqual(['B 1', 'a 10', 'a 9', 'a.b 1', 'b 1', 'ä 1']);
      expect((await rig.registry.get('a')).map(({ version }) => version)).toEqual(['10', '9']);
    });

    it('is not changed by what the caller does to its objects later', async () => {
      const metadata = { owner: 'me' };
      await rig.registry.register(greeter({ metadata }));
      metadata.owner = 'you';
      expect((await rig.registry.get('greeter'))[0]?.metadata).toEqual({ owner: 'me' });
    });
  });
}
