import { MicroError } from '@micro/errors';
import type { Client } from '@micro/rpc';
import type { Store } from './store.js';

/** Which adapter, with all that it needs. */
export type StoreConfig =
  | { readonly adapter: 'memory' }
  /** One file a database: `<folder>/<database>.db`. */
  | { readonly adapter: 'file'; readonly folder: string }
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the store that the configuration names; an adapter is loaded only when chosen. */
export async function openStore(config: StoreConfig): Promise<Store> {
  throw new MicroError('unimplemented', `the adapter ${config.adapter} of the store is not in this build`);
}
