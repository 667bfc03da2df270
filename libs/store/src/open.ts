import type { Client } from '@micro/rpc';
import type { CockroachOptions } from './cockroach-options.js';
import { MemoryStore } from './memory.js';
import type { Store } from './store.js';

/** Which adapter, with all that it needs. */
export type StoreConfig =
  | { readonly adapter: 'memory' }
  /** One file a database: `<folder>/<database>.db`. */
  | { readonly adapter: 'file'; readonly folder: string }
  | ({ readonly adapter: 'cockroach' } & CockroachOptions)
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the store that the configuration names; an adapter's client is loaded only when chosen. */
export async function openStore(config: StoreConfig): Promise<Store> {
  switch (config.adapter) {
    case 'memory':
      return new MemoryStore();
    case 'file': {
      const { FileStore } = await import('./file.js');
      return new FileStore(config.folder);
    }
    case 'cockroach': {
      const { CockroachStore } = await import('./cockroach.js');
      return new CockroachStore(config);
    }
    case 'remote': {
      const { RemoteStore } = await import('./remote.js');
      return new RemoteStore(config.client);
    }
  }
}
