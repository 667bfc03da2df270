import { type Blobs, type Locks, openBlobs, openLocks, openStore, type Store } from '@micro/store';
import { requireSqlite, type Surroundings, withPackages } from './surroundings.js';

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
  switch (locks.adapter) {
    case 'memory':
      return openLocks(locks);
    case 'file':
      await requireSqlite('MICRO_LOCKS');
      return openLocks(locks);
    case 'etcd':
      return withPackages(['etcd3'], () => openLocks(locks));
    case 'cockroach':
      return withPackages(['pg', 'typeorm'], () => openLocks(locks));
    case 'remote':
      return openLocks({ ...locks, client: around.client });
  }
}
