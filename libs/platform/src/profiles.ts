/**
 * Which adapter of each block a process uses. `MICRO_PROFILE` picks a row; a block's own variable (`MICRO_REGISTRY=memory`) overrides a
 * cell. An adapter that is not listed here does not exist in this build, and naming it stops the boot.
 */
export const profiles = {
  /** Unit tests: nothing leaves the process. */
  test: { registry: 'memory', broker: 'memory', store: 'memory', runtime: 'process' },
  /** A laptop: `micro server`, `nx serve`, and a service started by hand. */
  local: { registry: 'mdns', broker: 'http', store: 'file', runtime: 'process' },
  /** A user's service started by `micro run`: everything through the platform's own services. */
  service: { registry: 'remote', broker: 'remote', store: 'remote', runtime: 'remote' },
  // Where the servers are is in the environment. Services run as processes beside the runtime until it has an adapter for Kubernetes.
  /** The platform's own processes on servers that they share: what is tried before it goes to `platform`. */
  staging: { registry: 'etcd', broker: 'nats', store: 'cockroach', runtime: 'process' },
  /** The same, for those who rely on it. */
  platform: { registry: 'etcd', broker: 'nats', store: 'cockroach', runtime: 'process' },
} as const satisfies Record<string, Row>;

export type ProfileName = keyof typeof profiles;

export const registryNames = ['memory', 'mdns', 'etcd', 'remote'] as const;
export type RegistryName = (typeof registryNames)[number];

/** Events come with it: in `memory`, with `http` in a log on disk, with `nats` in JetStream. */
export const brokerNames = ['memory', 'http', 'nats', 'remote'] as const;
export type BrokerName = (typeof brokerNames)[number];

/**
 * Blobs come with it: in `memory`, with `file` in a directory, with `cockroach` in the object store of NATS. So do locks, in the
 * store itself, unless they are to be elsewhere.
 */
export const storeNames = ['memory', 'file', 'cockroach', 'remote'] as const;
export type StoreName = (typeof storeNames)[number];

/** Of each store by the same name, and etcd. */
export const lockNames = ['memory', 'file', 'etcd', 'cockroach', 'remote'] as const;
export type LocksName = (typeof lockNames)[number];

export const runtimeNames = ['process', 'remote'] as const;
export type RuntimeName = (typeof runtimeNames)[number];

/** One cell for each block. */
interface Row {
  readonly registry: RegistryName;
  readonly broker: BrokerName;
  readonly store: StoreName;
  readonly runtime: RuntimeName;
}
