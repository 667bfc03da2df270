import type { NatsOptions } from '@micro/nats';
import type { Client } from '@micro/rpc';
import type { Blobs } from './blobs.js';
import { MemoryBlobs } from './memory.js';

/** Which adapter, with all that it needs. */
export type BlobsConfig =
  | { readonly adapter: 'memory' }
  | { readonly adapter: 'directory'; readonly folder: string }
  /** `replicas`: servers that keep each byte; default 1. */
  | ({ readonly adapter: 'nats'; readonly replicas?: number } & Omit<NatsOptions, 'id'>)
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the blobs that the configuration names; an adapter is loaded only when chosen. */
export async function openBlobs(config: BlobsConfig): Promise<Blobs> {
  switch (config.adapter) {
    case 'memory':
      return new MemoryBlobs();
    case 'directory': {
      const { openDirectory } = await import('./directory.js');
      return openDirectory(config.folder);
    }
    case 'nats': {
      const { openNatsBlobs } = await import('./nats.js');
      return openNatsBlobs(config);
    }
    case 'remote': {
      const { RemoteBlobs } = await import('./remote.js');
      return new RemoteBlobs(config.client);
    }
  }
}
