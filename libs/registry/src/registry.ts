import type { Idempotency, MethodKind } from '@micro/proto';

/** One version of a service and the nodes that run it. */
export interface Service {
  readonly name: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly endpoints: readonly Endpoint[];
  readonly nodes: readonly Node[];
  /** Serialised google.protobuf.FileDescriptorSet of the service's own files; undefined for services without a .proto. */
  readonly schema?: Uint8Array;
}

/** One callable method of a service. */
export interface Endpoint {
  /** `Helloworld.Call`. */
  readonly name: string;
  /** Full method path, `/helloworld.Helloworld/Call`; unique within a namespace. */
  readonly path: string;
  readonly kind: MethodKind;
  readonly idempotency: Idempotency;
  /** Full names of the messages, found in the schema. */
  readonly request: string;
  readonly response: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One running copy of a service. */
export interface Node {
  /** Unique over all services. */
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
  /**
   * `protocol` (comma-separated: `connect`, `grpc`, `http`), `region`, `zone`, whatever the service adds, and, of the platform's own
   * services alone, `shared`.
   */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * What a watch tells. A service version is created with its first node and deleted with its last; any other change of nodes, endpoints or
 * metadata is an update. `service` is the version after the change, or, of a deleted one, as it last was.
 */
export type RegistryEvent =
  { readonly type: 'created' | 'updated' | 'deleted'; readonly service: Service } | { readonly type: 'synced' };

export interface RegisterOptions {
  /** Default `micro`. */
  readonly namespace?: string;
  /** Milliseconds until the registration expires unless it is renewed by registering again. Default 30,000; at least 1,000. */
  readonly ttl?: number;
}

export interface RegistryOptions {
  /** Default `micro`. */
  readonly namespace?: string;
}

export interface WatchOptions extends RegistryOptions {
  /** Only this service; default all. */
  readonly name?: string;
  /** Ends the watch, quietly. */
  readonly signal?: AbortSignal;
}

/**
 * Key of a node's metadata: `true` says that it serves callers of every namespace. Believed of nodes in the namespace `micro`; set by the
 * platform for its own apps and taken off what registers over RPC, as users' services do.
 */
export const sharedKey = 'shared';

export const defaultNamespace = 'micro';
export const defaultTtl = 30_000;

/** Who runs where: the registry's contract, and its token in Nest. */
export abstract class Registry {
  /**
   * Announces the nodes of one version of a service, or renews them. Nodes that others registered for the same name and version stay;
   * of endpoints, metadata and schema the last registration wins. MicroError `invalid_argument` for a name, version, id or address
   * that is empty or malformed, naming it.
   */
  abstract register(service: Service, options?: RegisterOptions): Promise<void>;

  /** Takes the given nodes (only their ids count) off the list at once. Nodes and services that are not there are no error. */
  abstract deregister(service: Pick<Service, 'name' | 'version' | 'nodes'>, options?: RegistryOptions): Promise<void>;

  /** All versions of a service with at least one live node, versions ascending. An unknown name is an empty list. */
  abstract get(name: string, options?: RegistryOptions): Promise<readonly Service[]>;

  /** Every service with at least one live node, by name, then version, both ascending by code unit. */
  abstract list(options?: RegistryOptions): Promise<readonly Service[]>;

  /**
   * First everything that is there, as `created`; then `synced`, once; then every change, in order, none lost between the two. An adapter
   * whose source goes away keeps the watch open and tells the difference when it is back. Ends when `signal` aborts, the consumer
   * returns or the registry closes.
   */
  abstract watch(options?: WatchOptions): AsyncIterable<RegistryEvent>;

  /** Releases sockets and timers, ends watches and withdraws what this instance registered. A second call does nothing. */
  abstract close(): Promise<void>;
}
