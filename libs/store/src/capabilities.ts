/** What an adapter keeps through a fault, of what it has acknowledged: nothing; the death of its process (kill -9); a power cut. */
export type Survives = 'nothing' | 'process' | 'power';

/** Who sees the same: this instance alone; every process on the machine; whoever reaches the servers. */
export type Shared = 'instance' | 'machine' | 'network';

/** What differs between adapters, of records, of blobs and of locks. Everything else that a contract says holds on each of them. */
export interface Capabilities {
  readonly survives: Survives;
  readonly shared: Shared;
}

/** Of the records of each adapter. `remote` is what the adapter behind apps/store is: here as `micro server` runs it, on files. */
export const storeCapabilities = {
  memory: { survives: 'nothing', shared: 'instance' },
  file: { survives: 'power', shared: 'machine' },
  cockroach: { survives: 'power', shared: 'network' },
  remote: { survives: 'power', shared: 'network' },
} as const satisfies Record<string, Capabilities>;

/** Of the blobs of each adapter. */
export const blobCapabilities = {
  memory: { survives: 'nothing', shared: 'instance' },
  directory: { survives: 'power', shared: 'machine' },
  nats: { survives: 'process', shared: 'network' },
  remote: { survives: 'power', shared: 'network' },
} as const satisfies Record<string, Capabilities>;

/** Of the locks of each adapter: through which faults a lock that is had stays so, and no token comes twice. */
export const lockCapabilities = {
  memory: { survives: 'nothing', shared: 'instance' },
  file: { survives: 'power', shared: 'machine' },
  etcd: { survives: 'power', shared: 'network' },
  cockroach: { survives: 'power', shared: 'network' },
  remote: { survives: 'power', shared: 'network' },
} as const satisfies Record<string, Capabilities>;
