import { Client, fixedTargets } from '@micro/rpc';
import { openStore, type StoreConfig } from './open.js';
import { RemoteStore } from './remote.js';
import type { Store } from './store.js';

/** A store as another process can be told of it: one that is served, by the address of who does. */
export type StorePlace =
  Exclude<StoreConfig, { adapter: 'remote' }> | { readonly adapter: 'remote'; readonly address: string };

export async function openPlace(place: StorePlace): Promise<Store> {
  return place.adapter === 'remote' ? new StoreAt(place.address) : openStore(place);
}

/** With a client of its own. */
class StoreAt extends RemoteStore {
  readonly #client: Client;

  constructor(address: string) {
    const client = new Client({ discovery: fixedTargets(address) });
    super(client);
    this.#client = client;
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#client.close();
  }
}
