import { Catalog, type PlacementKey, registrationTime } from './catalog.js';
import { encodeContent } from './content.js';
import { Watches } from './event-queue.js';
import { OwnRegistrations } from './own-registrations.js';
import {
  type RegisterOptions,
  Registry,
  type RegistryEvent,
  type RegistryOptions,
  type Service,
  type WatchOptions,
} from './registry.js';
import { checkedNamespace, checkedTtl, checkService, closed } from './validation.js';

/** Services of one process, in its memory; registries that are given the same catalog see the same services. */
export class MemoryRegistry extends Registry {
  readonly #catalog: Catalog;
  readonly #watches = new Watches();
  /** What close() withdraws. */
  readonly #own: OwnRegistrations<PlacementKey>;
  #closed = false;

  constructor(catalog = new Catalog()) {
    super();
    this.#catalog = catalog;
    this.#own = new OwnRegistrations((key) => !catalog.hasNode(key));
  }

  override async register(service: Service, options: RegisterOptions = {}): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const ttl = checkedTtl(options.ttl);
    checkService(service);
    const { name, version } = service;
    const { content, hash } = encodeContent(service);
    const time = registrationTime();
    for (const { id, address, metadata } of service.nodes) {
      const key = { namespace, name, version, id };
      const since = this.#catalog.since(key, hash) ?? time;
      this.#catalog.put({
        namespace,
        name,
        version,
        node: { id, address, metadata: { ...metadata } },
        content,
        hash,
        since,
        ttl,
      });
      this.#own.set(key, key);
    }
    this.#catalog.flush();
  }

  override async deregister(
    service: Pick<Service, 'name' | 'version' | 'nodes'>,
    options: RegistryOptions = {},
  ): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    for (const { id } of service.nodes) {
      const key = { namespace, name: service.name, version: service.version, id };
      this.#catalog.remove(key);
      this.#own.delete(key);
    }
    this.#catalog.flush();
  }

  override async get(name: string, options: RegistryOptions = {}): Promise<readonly Service[]> {
    if (this.#closed) throw closed();
    return this.#catalog.get(checkedNamespace(options.namespace), name);
  }

  override async list(options: RegistryOptions = {}): Promise<readonly Service[]> {
    if (this.#closed) throw closed();
    return this.#catalog.list(checkedNamespace(options.namespace));
  }

  override watch({ namespace, name, signal }: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#watches.open(signal, (queue) => this.#catalog.watch(queue, checkedNamespace(namespace), name));
  }

  override async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.close();
    for (const key of this.#own.values()) this.#catalog.remove(key);
    this.#catalog.flush();
  }
}
