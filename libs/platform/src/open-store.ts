import { type Blobs, type Locks, openBlobs, openLocks, openStore, type Store } from '@micro/store';
import { connection, natsPackages, requireSqlite, type Surroundings, withPackages } from './surroundings.js';

// Bundles of apps that do not import @micro/store get this file without what it imports: see tools/build/bundle.mjs.

export async function openStoreOf(around: Surroundings): Promise<Store> {
  const { store } = around.config;
  switch (store.adapter) {
    case 'memory':
      return openStore(store);
    case 'file':
      await requireSqlite('MICRO_STORE');
      return openStore(store);
    case 'cockroach':
      return withPackages(['pg', 'typeorm'], () => openStore(store));
    case 'remote':
      return openStore({ ...store, client: around.client });
  }
}

export async function openBlobsOf(around: Surroundings): Promise<Blobs> {
  const { blobs } = around.config;
  switch (blobs.adapter) {
    case 'memory':
    case 'directory':
      return openBlobs(blobs);
    case 'nats':
      return withPackages(natsPackages, () => openBlobs({ ...blobs, ...connection(around) }));
    case 'remote':
      return openBlobs({ ...blobs, client: around.client });
  }
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
