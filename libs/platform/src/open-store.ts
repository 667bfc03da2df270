import { type Blobs, type Locks, openBlobs, openLocks, openStore, type Store } from '@micro/store';
import { requireSqlite, type Surroundings } from './surroundings.js';

// Bundles of apps that do not import @micro/store get this file without what it imports: see tools/build/bundle.mjs.

export async function openStoreOf(around: Surroundings): Promise<Store> {
  const { store } = around.config;
  if (store.adapter === 'file') await requireSqlite('MICRO_STORE');
  return openStore(store.adapter === 'remote' ? { ...store, client: around.client } : store);
}

export async function openBlobsOf(around: Surroundings): Promise<Blobs> {
  const { blobs } = around.config;
  return openBlobs(blobs.adapter === 'remote' ? { ...blobs, client: around.client } : blobs);
}

export async function openLocksOf(around: Surroundings): Promise<Locks> {
  const { locks } = around.config;
  if (locks.adapter === 'file') await requireSqlite('MICRO_STORE');
  return openLocks(locks.adapter === 'remote' ? { ...locks, client: around.client } : locks);
}
