import { describe, expect, it } from 'vitest';
import type { ContractRig, RegistryCapabilities } from '../registry.contract.js';
import { greeter, listen, node, soon } from './services.fixture.js';

/** The ways in which a registration ends. */
export function leavingContract(rig: ContractRig, capabilities: RegistryCapabilities): void {
  describe('deregistering', () => {
    it('takes the given nodes, and the service with its last one', async () => {
      const other = await rig.open();
      await rig.registry.register(greeter({ nodes: [node('a'), node('b')] }));
      await expect.poll(() => rig.nodes('greeter', other), soon).toEqual(['a', 'b']);
      await rig.registry.deregister(greeter({ nodes: [node('a')] }));
      expect(await rig.nodes('greeter')).toEqual(['b']);
      await expect.poll(() => rig.nodes('greeter', other), soon).toEqual(['b']);
      await rig.registry.deregister(greeter({ nodes: [node('b')] }));
      expect(await rig.registry.get('greeter')).toEqual([]);
      await expect.poll(() => rig.names(other), soon).toEqual([]);
    });

    it('works from anywhere, and does not stand in the way of registering again', async () => {
      const other = await rig.open();
      await rig.registry.register(greeter());
      await expect.poll(() => rig.names(other), soon).toEqual(['greeter latest']);
      await other.deregister(greeter());
      expect(await rig.names(other)).toEqual([]);
      await expect.poll(() => rig.names(), soon).toEqual([]);
      await rig.registry.register(greeter());
      await expect.poll(() => rig.names(other), soon).toEqual(['greeter latest']);
    });

    it('minds neither unknown nodes nor unknown services', async () => {
      await rig.registry.register(greeter({ nodes: [node('a')] }));
      await rig.registry.deregister(greeter({ nodes: [node('z')] }));
      await rig.registry.deregister(greeter({ name: 'nobody' }));
      await rig.registry.deregister(greeter({ version: 'other', nodes: [node('a')] }));
      expect(await rig.nodes('greeter')).toEqual(['a']);
    });
  });

  describe('time to live', () => {
    it('ends what is not renewed, and nothing that is', async () => {
      const other = await rig.open();
      const kept = greeter({ name: 'kept' });
      const left = greeter({ name: 'left' });
      const watch = listen(other);
      await expect.poll(() => watch.seen, soon).toEqual(['synced']);
      await rig.registry.register(kept, { ttl: 3_000 });
      await rig.registry.register(left, { ttl: 3_000 });
      const renewing = setInterval(() => void rig.registry.register(kept, { ttl: 3_000 }), 500);
      try {
        await expect.poll(() => watch.seen, soon).toContain('deleted left');
        await expect.poll(() => rig.names(), soon).toEqual(['kept latest']);
        expect(await rig.names(other)).toEqual(['kept latest']);
      } finally {
        clearInterval(renewing);
      }
      await expect.poll(() => rig.names(other), soon).toEqual([]);
      await expect
        .poll(() => watch.seen.filter((event) => event.endsWith('kept')), soon)
        .toEqual(['created kept', 'deleted kept']);
    });
  });

  describe('closing', () => {
    it('withdraws what it registered, and nothing else; once', async () => {
      const other = await rig.open();
      await rig.registry.register(greeter({ nodes: [node('a')] }));
      await other.register(greeter({ nodes: [node('b')] }));
      await expect.poll(() => rig.nodes('greeter', other), soon).toEqual(['a', 'b']);
      await rig.registry.close();
      await rig.registry.close();
      await expect.poll(() => rig.nodes('greeter', other), soon).toEqual(['b']);
      await expect(rig.registry.list()).rejects.toMatchObject({ code: 'failed_precondition' });
      await expect(rig.registry.register(greeter())).rejects.toMatchObject({ code: 'failed_precondition' });
    });
  });

  describe('other processes', () => {
    it(`${capabilities.crossProcess ? 'are seen, and gone within their time to live after kill -9' : 'are not seen'}`, async () => {
      const elsewhere = await rig.registerElsewhere(greeter(), 3_000);
      try {
        if (!capabilities.crossProcess) return expect(await rig.registry.list()).toEqual([]);
        await expect.poll(() => rig.registry.list(), soon).toEqual([greeter()]);
        await elsewhere.kill();
        await expect.poll(() => rig.registry.list(), soon).toEqual([]);
      } finally {
        await elsewhere.kill();
      }
    });
  });
}
