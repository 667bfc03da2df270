/** Who keeps the nodes that registry-load.ts registers and looks up: a registry of ours, or etcd by hand with the client etcd3. */
import { openRegistry, type Registry, RegistryCache, type RegistryConfig, type Service } from '@micro/registry';
import { Etcd3, type IKeyValue, type Lease } from 'etcd3';

/** One process's end: it registers, or it follows what others register and looks it up. */
export interface Side {
  /** Adds nodes to a service. Resolves when that is acknowledged. */
  register(service: Service): Promise<void>;
  deregister(service: Service): Promise<void>;
  /** Keeps in memory what is registered, and calls back after every change. */
  follow(changed: () => void): Promise<void>;
  /** The nodes of a service, from memory. Only after `follow`. */
  targets(name: string): readonly { readonly id: string }[];
  /** How many services there are, all of them having been fetched. */
  list(): Promise<number>;
  /** The nodes of a service, asked of the server; absent where nobody asks it. */
  read?(name: string): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/** Longer than a measurement, so that what is measured does not expire meanwhile. */
const ttl = 120_000;

export class MicroRegistry implements Side {
  readonly #registry: Registry;
  readonly #cache: RegistryCache;

  private constructor(registry: Registry) {
    this.#registry = registry;
    this.#cache = new RegistryCache(registry);
  }

  static async open(config: RegistryConfig): Promise<MicroRegistry> {
    return new MicroRegistry(await openRegistry(config));
  }

  register(service: Service): Promise<void> {
    return this.#registry.register(service, { ttl });
  }

  deregister(service: Service): Promise<void> {
    return this.#registry.deregister(service);
  }

  async follow(changed: () => void): Promise<void> {
    await this.#cache.ready();
    this.#cache.onChange(changed);
  }

  targets(name: string): readonly { readonly id: string }[] {
    return this.#cache.targets(name, 'micro') as readonly { readonly id: string }[];
  }

  async list(): Promise<number> {
    return (await this.#registry.list()).length;
  }

  async close(): Promise<void> {
    await this.#cache.close();
    await this.#registry.close();
  }
}

interface BareNode {
  readonly id: string;
  readonly version: string;
  readonly address: string;
  readonly metadata: Service['nodes'][number]['metadata'];
  /** Paths. */
  readonly endpoints: readonly string[];
}

/**
 * What one would write without Micro: a key for each node, under the lease of its service's process, and a Map that a watch keeps, of arrays
 * for those who choose among nodes. Values are about as long as ours. All nodes under one lease would slow it down: for each put under a
 * lease etcd goes through all keys that the lease has.
 */
export class BareEtcd implements Side {
  readonly #client: Etcd3;
  readonly #prefix: string;
  readonly #services = new Map<string, readonly BareNode[]>();
  /** By service. */
  readonly #leases = new Map<string, Lease>();

  constructor(address: string, prefix: string) {
    this.#client = new Etcd3({ hosts: `http://${address}` });
    this.#prefix = prefix;
  }

  async register({ name, version, endpoints, nodes }: Service): Promise<void> {
    const lease = this.#leases.get(name) ?? this.#grant(name);
    const paths = endpoints.map(({ path }) => path);
    const puts = nodes.map(({ id, address, metadata }) => {
      const node: BareNode = { id, version, address, metadata, endpoints: paths };
      return lease.put(this.#key(name, id)).value(JSON.stringify(node)).exec();
    });
    await Promise.all(puts);
  }

  async deregister({ name, nodes }: Service): Promise<void> {
    await Promise.all(nodes.map(({ id }) => this.#client.delete().key(this.#key(name, id))));
  }

  async follow(changed: () => void): Promise<void> {
    const { kvs, header } = await this.#client.getAll().prefix(this.#prefix).exec();
    for (const kv of kvs) this.#take(kv);
    const next = String(Number(header.revision) + 1);
    const watcher = await this.#client.watch().prefix(this.#prefix).startRevision(next).create();
    watcher.on('put', (kv) => {
      this.#take(kv);
      changed();
    });
    watcher.on('delete', (kv) => {
      this.#drop(kv);
      changed();
    });
  }

  targets(name: string): readonly BareNode[] {
    return this.#services.get(name) ?? [];
  }

  async read(name: string): Promise<readonly BareNode[]> {
    const { kvs } = await this.#client.getAll().prefix(this.#key(name, '')).exec();
    return kvs.map(nodeOf);
  }

  async list(): Promise<number> {
    const { kvs } = await this.#client.getAll().prefix(this.#prefix).exec();
    return new Set(kvs.map((kv) => this.#nameOf(kv))).size;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#leases.values()].map((lease) => lease.revoke()));
    this.#client.close();
  }

  #grant(name: string): Lease {
    // Each of their processes would keep its own alive; one process with a stream for each of them all is slowed down for nothing.
    const lease = this.#client.lease(ttl / 1_000, { autoKeepAlive: false });
    this.#leases.set(name, lease);
    return lease;
  }

  #take(kv: IKeyValue): void {
    const node = nodeOf(kv);
    const name = this.#nameOf(kv);
    this.#services.set(name, [...this.targets(name).filter(({ id }) => id !== node.id), node]);
  }

  #drop(kv: IKeyValue): void {
    const name = this.#nameOf(kv);
    this.#services.set(
      name,
      this.targets(name).filter(({ id }) => this.#key(name, id) !== kv.key.toString()),
    );
  }

  #key(name: string, id: string): string {
    return `${this.#prefix}${name}/${id}`;
  }

  #nameOf(kv: IKeyValue): string {
    return kv.key.toString().slice(this.#prefix.length).split('/')[0] as string;
  }
}

function nodeOf({ value }: IKeyValue): BareNode {
  return JSON.parse(value.toString()) as BareNode;
}
