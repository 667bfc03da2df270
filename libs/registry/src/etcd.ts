import { setTimeout as sleep } from 'node:timers/promises';
import { type EtcdAccess, EtcdClient } from '@micro/etcd';
import { Catalog, registrationTime } from './catalog.js';
import { encodeContent } from './content.js';
import { EtcdKeys, encodeNode } from './etcd-records.js';
import { EtcdRegistrations } from './etcd-registrations.js';
import { EtcdSweeper } from './etcd-sweeper.js';
import { EtcdView } from './etcd-view.js';
import { EtcdWriter } from './etcd-writer.js';
import { Watches } from './event-queue.js';
import {
  type RegisterOptions,
  Registry,
  type RegistryEvent,
  type RegistryOptions,
  type Service,
  type WatchOptions,
} from './registry.js';
import { checkedNamespace, checkedTtl, checkService, closed } from './validation.js';

export interface EtcdOptions extends EtcdAccess {
  /** What all keys begin with, ending with a slash; below it comes the namespace. Default `/micro/registry/`. */
  readonly prefix?: string;
  /**
   * Leaves registrations to expire when the registry closes: for a process that registers on behalf of others, which renew what they
   * registered and shall not notice that it was restarted.
   */
  readonly keepOnClose?: boolean;
  /** Told in plain words that etcd is away, and that it is back. Default: a process warning. */
  readonly warn?: (message: string) => void;
}

/** Milliseconds that close() waits for an etcd that does not answer. */
const closeTimeout = 2_000;

/**
 * Opens a registry on etcd (3.4 and later). MicroError `unavailable` where none of the addresses answers within four seconds, `unauthenticated`,
 * `permission_denied` or `failed_precondition` where it does not let this user in, each naming the settings to look at.
 */
export async function openEtcd(options: EtcdOptions): Promise<Registry> {
  const registry = new EtcdRegistry(options);
  try {
    await registry.start();
    return registry;
  } catch (error) {
    await registry.close();
    throw error;
  }
}

/**
 * Services in etcd. Reads and watches are answered from what one watch of the process has heard, also while etcd is away; a read sees what this
 * registry has written before, and what others have within the time that etcd's news take. Writes go to etcd, or fail.
 */
export class EtcdRegistry extends Registry {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #catalog = new Catalog();
  readonly #watches = new Watches();
  readonly #view: EtcdView;
  readonly #registrations: EtcdRegistrations;
  readonly #sweeper: EtcdSweeper;
  readonly #keepOnClose: boolean;
  readonly #warn: (message: string) => void;
  #away = false;
  #closed = false;

  constructor(options: EtcdOptions) {
    super();
    const { prefix = '/micro/registry/', keepOnClose = false, warn = warnProcess } = options;
    this.#keepOnClose = keepOnClose;
    this.#warn = warn;
    const client = (this.#client = new EtcdClient(options, { id: 'registry', prefix }));
    const keys = (this.#keys = new EtcdKeys(prefix));
    const view = (this.#view = new EtcdView({
      client,
      keys,
      catalog: this.#catalog,
      put: (key, node) => this.#registrations.seen(key, node),
      gone: (key, node) => this.#registrations.gone(key, node),
      unused: (key) => this.#sweeper.add(key),
      following: () => this.#following(),
      away: (error) => this.#left(error),
    }));
    const writer = new EtcdWriter(client, keys, view);
    this.#registrations = new EtcdRegistrations({ client, keys, view, writer, warn });
    this.#sweeper = new EtcdSweeper(keys, view, writer);
  }

  /** Reads what is there. Called once, before anything else. */
  async start(): Promise<void> {
    await this.#view.start();
  }

  override async register(service: Service, options: RegisterOptions = {}): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const ttl = checkedTtl(options.ttl);
    checkService(service);
    const version = { namespace, name: service.name, version: service.version };
    const { hash, bytes } = encodeContent(service);
    // Later than all that is known of this version, whatever the clocks of others say.
    const time = Math.max(registrationTime(), this.#catalog.latest(version) + 1);
    const entries = new Map<string, string>();
    for (const { id, address, metadata } of service.nodes) {
      const since = this.#catalog.since({ ...version, id }, hash) ?? time;
      entries.set(this.#keys.node({ ...version, id }), encodeNode({ address, metadata, content: hash, since }));
    }
    const texts = [...entries].map(([key, text]) => ({ key, text }));
    await this.#registrations.register({ version, hash, bytes, ttl, entries: texts });
  }

  override async deregister(
    service: Pick<Service, 'name' | 'version' | 'nodes'>,
    options: RegistryOptions = {},
  ): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const { name, version, nodes } = service;
    const keys = nodes.map(({ id }) => this.#keys.node({ namespace, name, version, id }));
    await this.#registrations.deregister([...new Set(keys)]);
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
    this.#catalog.close();
    this.#sweeper.close();
    this.#view.close();
    const timer = new AbortController();
    const late = sleep(closeTimeout, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([this.#registrations.close({ keep: this.#keepOnClose }).catch(() => undefined), late]);
    timer.abort();
    this.#client.close();
  }

  #following(): void {
    this.#registrations.connected();
    if (this.#away) this.#warn('etcd is back');
    this.#away = false;
  }

  #left(error: unknown): void {
    if (this.#away || this.#closed) return;
    this.#away = true;
    this.#warn(`${this.#client.failure(error).detail}; going on with what was known last`);
  }
}

function warnProcess(message: string): void {
  process.emitWarning(message, 'MicroRegistry');
}
