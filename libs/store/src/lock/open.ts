import type { Client } from '@micro/rpc';
import type { CockroachOptions } from '../cockroach-options.js';
import type { EtcdLocksOptions } from './etcd.js';
import type { Locks } from './locks.js';
import { MemoryLocks } from './memory.js';

/** Which adapter, with all that it needs. */
export type LocksConfig =
  | { readonly adapter: 'memory' }
  | { readonly adapter: 'file'; readonly folder: string }
  | ({ readonly adapter: 'etcd' } & EtcdLocksOptions)
  | ({ readonly adapter: 'cockroach' } & CockroachOptions)
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the locks that the configuration names; an adapter is loaded only when chosen. */
export async function openLocks(config: LocksConfig): Promise<Locks> {
  switch (config.adapter) {
    case 'memory':
      return new MemoryLocks();
    case 'file': {
      const { FileLocks } = await import('./file.js');
      return new FileLocks(config.folder);
    }
    case 'etcd': {
      const { EtcdLocks } = await import('./etcd.js');
      const { adapter: _, ...options } = config;
      return new EtcdLocks(options);
    }
    case 'cockroach': {
      const { CockroachLocks } = await import('./cockroach.js');
      const { adapter: _, ...options } = config;
      return new CockroachLocks(options);
    }
    case 'remote': {
      const { RemoteLocks } = await import('./remote.js');
      return new RemoteLocks(config.client);
    }
  }
}
