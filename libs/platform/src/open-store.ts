import { type Blobs, openBlobs, openStore, type Store } from '@micro/store';
import { type Surroundings, withSqlite } from './surroundings.js';

// Bundles of apps that do not import @micro/store get this file without what it imports: see tools/build/bundle.mjs.

export async function openStoreOf(around: Surroundings): Promise<Store> {
  const { store } = around.config;
  return withSqlite('MICRO_STORE', () => openStore(store.adapter === 'remote' ? { ...store, client: around.client } : store));
}

export async function openBlobsOf(around: Surroundings): Promise<Blobs> {
  const { blobs } = around.config;
  return openBlobs(blobs.adapter === 'remote' ? { ...blobs, client: around.client } : blobs);
}
