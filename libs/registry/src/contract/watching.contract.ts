import { describe, expect, it } from 'vitest';
import type { ContractRig } from '../registry.contract.js';
import { all, greeter, listen, node, soon } from './services.fixture.js';

/** What a watch tells, and how it ends. */
export function watchingContract(rig: ContractRig): void {
  describe('watching', () => {
    it('tells what is there, then synced, then every change in order', async () => {
      await rig.registry.register(greeter({ name: 'b' }));
      await rig.registry.register(greeter({ name: 'a' }));
      const watch = listen(rig.registry);
      await expect.poll(() => watch.seen, soon).toEqual(['created a', 'created b', 'synced']);
      const added = greeter({ name: 'a', nodes: [node('a2')] });
      await rig.registry.register(added);
      await rig.registry.deregister(added);
      await rig.registry.register(greeter({ name: 'a', metadata: { build: '2' } }));
      await rig.registry.deregister(greeter({ name: 'a' }));
      await rig.registry.register(greeter({ name: 'c' }));
      const changes = ['updated a', 'updated a', 'updated a', 'deleted a', 'created c'];
      await expect.poll(() => watch.seen.slice(3), soon).toEqual(changes);
      expect(watch.events.slice(3).map((event) => (event.type === 'synced' ? 0 : event.service.nodes.length))).toEqual([
        2, 1, 1, 1, 1,
      ]);
      expect(watch.events[7]).toEqual({ type: 'created', service: greeter({ name: 'c' }) });
    });

    it('tells another registry the same', async () => {
      const watch = listen(await rig.open());
      await expect.poll(() => watch.seen, soon).toEqual(['synced']);
      await rig.registry.register(greeter());
      await rig.registry.register(greeter({ metadata: { build: '2' } }));
      await rig.registry.deregister(greeter());
      await expect
        .poll(() => watch.seen, soon)
        .toEqual(['synced', 'created greeter', 'updated greeter', 'deleted greeter']);
    });

    it('says nothing of renewals that change nothing', async () => {
      const other = await rig.open();
      await rig.registry.register(greeter());
      const watches = [listen(rig.registry), listen(other)];
      for (const watch of watches) await expect.poll(() => watch.seen, soon).toContain('synced');
      for (const watch of watches) await expect.poll(() => watch.seen, soon).toContain('created greeter');
      for (let times = 0; times < 5; times++) await rig.registry.register(greeter());
      await rig.registry.register(greeter({ name: 'next' }));
      for (const watch of watches) {
        await expect.poll(() => watch.seen, soon).toContain('created next');
        expect(watch.seen.filter((event) => event.endsWith('greeter'))).toEqual(['created greeter']);
      }
    });

    it('of one name tells only that name', async () => {
      await rig.registry.register(greeter());
      await rig.registry.register(greeter({ name: 'other' }));
      const watch = listen(rig.registry, { name: 'greeter' });
      await expect.poll(() => watch.seen, soon).toEqual(['created greeter', 'synced']);
      await rig.registry.deregister(greeter({ name: 'other' }));
      await rig.registry.register(greeter({ version: '2' }));
      await expect.poll(() => watch.seen, soon).toEqual(['created greeter', 'synced', 'created greeter']);
    });

    it('loses nothing that happens while it begins', async () => {
      const services = Array.from({ length: 40 }, (_, index) => greeter({ name: `s${index}` }));
      const registering = services.map((service) => rig.registry.register(service));
      const watch = listen(rig.registry);
      await Promise.all(registering);
      await expect.poll(() => watch.seen.length, soon).toBe(41);
      expect(new Set(watch.seen).size).toBe(41);
    });

    it('ends, quietly, when its signal aborts, its consumer leaves or the registry closes', async () => {
      const controller = new AbortController();
      const aborted = listen(rig.registry, { signal: controller.signal });
      const closed = listen(rig.registry);
      for (const watch of [aborted, closed]) await expect.poll(() => watch.seen, soon).toEqual(['synced']);
      for await (const event of rig.registry.watch()) if (event.type === 'synced') break;
      controller.abort();
      await aborted.done;
      await rig.registry.close();
      await closed.done;
      expect(await all(rig.registry.watch({ signal: AbortSignal.abort() }))).toEqual([]);
    });
  });
}
