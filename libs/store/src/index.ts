export {
  type BlobInfo,
  type BlobOptions,
  type BlobPage,
  type BlobReading,
  Blobs,
  type ListBlobsOptions,
  type ReadBlobOptions,
  type WriteBlobOptions,
} from './blob/blobs.js';
export {
  blobCapabilities,
  type Capabilities,
  lockCapabilities,
  type Shared,
  storeCapabilities,
  type Survives,
} from './capabilities.js';
export { BlobsHandlers } from './blob/handlers.js';
export { LaterBlobs } from './blob/later.js';
export { MemoryBlobs } from './blob/memory.js';
export { type BlobsConfig, openBlobs } from './blob/open.js';
export { StoreHandlers } from './handlers.js';
export { LaterStore } from './later.js';
export { type Fence, fenced } from './lock/fence.js';
export { LocksHandlers } from './lock/handlers.js';
export { LaterLocks } from './lock/later.js';
export {
  type AcquireOptions,
  type Grant,
  type LeaseOptions,
  type Lock,
  lockLimits,
  type LockPlace,
  Locks,
} from './lock/locks.js';
export { MemoryLocks } from './lock/memory.js';
export { type LocksConfig, openLocks } from './lock/open.js';
export { MemoryStore } from './memory.js';
export { openStore, type StoreConfig } from './open.js';
export { ownChanges, ownRecord } from './own-copies.js';
export { decodeSnapshot, encodeSnapshot } from './snapshot.js';
export {
  type Change,
  type Condition,
  defaultDatabase,
  defaultTable,
  type ListOptions,
  type NewRecord,
  type Order,
  type Page,
  type SnapshotRecord,
  Store,
  type StoreEvent,
  storeLimits,
  type StoreRecord,
  type TableOptions,
  type WatchOptions,
} from './store.js';
