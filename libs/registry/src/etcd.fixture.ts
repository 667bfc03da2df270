import { Etcd3 } from 'etcd3';
import { expect } from 'vitest';
import { listen } from './contract/services.fixture.js';
import { type EtcdOptions, openEtcd } from './etcd.js';
import type { Registry } from './registry.js';

/** Milliseconds: elections, leases and a busy machine take their time. */
export const faultTimeout = 90_000;
/** How long to wait for etcd to be found again, and how often to look. */
export const eventually = { timeout: 30_000, interval: 20 };

let worlds = 0;

/** Registries on some servers, with keys that nobody else has; `end` closes what was opened. */
export function world(addresses: readonly string[]) {
  const prefix = `/world-${worlds++}/`;
  const etcd = new Etcd3({ hosts: addresses.map((address) => `http://${address}`) });
  const opened: Registry[] = [];
  const warnings: string[] = [];
  return {
    prefix,
    /** The same servers, by a client of their own. */
    etcd,
    warnings,
    open: async (options: Partial<EtcdOptions> = {}) => {
      const registry = await openEtcd({ addresses, prefix, warn: (message) => warnings.push(message), ...options });
      opened.push(registry);
      return registry;
    },
    /** Everything under the prefix, by key without it. */
    keys: async () => (await etcd.getAll().prefix(prefix).keys()).map((key) => key.slice(prefix.length)),
    /** Leases that nodes are under. */
    leases: async () => {
      const { kvs } = await etcd.getAll().prefix(prefix).exec();
      return [...new Set(kvs.map(({ lease }) => lease).filter((lease) => lease !== '0'))];
    },
    end: async () => {
      await Promise.all(opened.map((registry) => registry.close()));
      etcd.close();
    },
  };
}

export type World = ReturnType<typeof world>;

/** A watch that has told what is there. */
export async function watching(registry: Registry, options: Parameters<Registry['watch']>[0] = {}) {
  const watch = listen(registry, options);
  await expect.poll(() => watch.seen, eventually).toContain('synced');
  return watch;
}
