import { MicroError } from '@micro/errors';
import type { Client } from '@micro/rpc';
import type { Blobs } from './blobs.js';

/** Which adapter, with all that it needs. */
export type BlobsConfig =
  | { readonly adapter: 'memory' }
  | { readonly adapter: 'directory'; readonly folder: string }
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the blobs that the configuration names; an adapter is loaded only when chosen. */
export async function openBlobs(config: BlobsConfig): Promise<Blobs> {
  throw new MicroError('unimplemented', `the adapter ${config.adapter} of blobs is not in this build`);
}
