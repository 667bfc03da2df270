import type { Client } from '@micro/rpc';
import type { EtcdOptions } from './etcd.js';
import type { MdnsOptions } from './mdns.js';
import { MemoryRegistry } from './memory.js';
import type { Registry } from './registry.js';

/** Which adapter, with all that it needs. */
export type RegistryConfig =
  | { readonly adapter: 'memory' }
  | ({ readonly adapter: 'mdns' } & MdnsOptions)
  | ({ readonly adapter: 'etcd' } & EtcdOptions)
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the registry that the configuration names; an adapter's client is loaded only when chosen. */
export async function openRegistry(config: RegistryConfig): Promise<Registry> {
  switch (config.adapter) {
    case 'memory':
      return new MemoryRegistry();
    case 'mdns': {
      const { openMdns } = await import('./mdns.js');
      return openMdns(config);
    }
    case 'etcd': {
      const { openEtcd } = await import('./etcd.js');
      return openEtcd(config);
    }
    case 'remote': {
      const { RemoteRegistry } = await import('./remote.js');
      return new RemoteRegistry(config.client);
    }
  }
}
