import { randomBytes } from 'node:crypto';
import { type Broker, type Events, LaterBroker, LaterEvents } from '@micro/broker';
import { LaterRegistry, openRegistry, type Registry, RegistryCache } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { type Blobs, LaterBlobs, LaterLocks, LaterStore, type Locks, type Store } from '@micro/store';
import { createLogger, type Logger, Metrics } from '@micro/telemetry';
import { Config, configOf } from './config.js';
import type { Environment } from './env.js';
import { openBrokerOf, openEventsOf } from './open-broker.js';
import { openBlobsOf, openLocksOf, openStoreOf } from './open-store.js';
import { withPlatformServices } from './platform-services.js';
import { type Surroundings, withPackages } from './surroundings.js';

export interface PlatformOptions {
  /** Name of the service or app: on log lines, and told to whom it calls. */
  readonly name: string;
  /** Default: by the environment. */
  readonly logger?: Logger;
  /** Instead of the one that the environment names; stays open when the platform closes. */
  readonly registry?: Registry;
  /** Leaves registrations made on behalf of others to expire when the platform closes. */
  readonly keepRegistrations?: boolean;
}

/**
 * What a process has of Micro: environment and configuration, and what they name, opened. Cache and client are made when first asked for,
 * store, blobs, locks, broker and events are opened when first used: a service that neither calls nor keeps anything holds none of them.
 */
export class Platform implements AsyncDisposable {
  readonly environment: Environment;
  readonly config: Config;
  readonly name: string;
  readonly logger: Logger;
  readonly metrics = new Metrics();
  readonly registry: Registry;
  readonly store: Store;
  readonly blobs: Blobs;
  readonly locks: Locks;
  readonly broker: Broker;
  readonly events: Events;
  readonly #closers: (() => Promise<void>)[];
  #cache: RegistryCache | undefined;
  #client: Client | undefined;

  private constructor(
    environment: Environment,
    opened: OpenedRegistry,
    options: PlatformOptions & { config: Config; logger: Logger },
  ) {
    this.environment = environment;
    this.config = options.config;
    this.name = options.name;
    this.logger = options.logger;
    this.registry = opened.registry;
    this.#closers = [opened.close];
    const around = this.#surroundings();
    this.store = new LaterStore(() => openStoreOf(around));
    this.blobs = new LaterBlobs(() => openBlobsOf(around));
    this.locks = new LaterLocks(() => openLocksOf(around));
    this.broker = new LaterBroker(() => openBrokerOf(around));
    this.events = new LaterEvents(() => openEventsOf(around));
  }

  /** Throws MicroError where the environment contradicts itself or the registry cannot be opened. */
  static async open(environment: Environment, options: PlatformOptions): Promise<Platform> {
    const config = configOf(environment);
    const logger = options.logger ?? createLogger({ name: options.name, ...config.log });
    const opened = options.registry
      ? { registry: options.registry, close: nothing }
      : await openFrom(config, { ...options, logger });
    return new Platform(environment, opened, { ...options, config, logger });
  }

  /** Who runs where, in memory. */
  get cache(): RegistryCache {
    if (!this.#cache) {
      const cache = new RegistryCache(this.registry, { logger: this.logger, namespace: this.environment.namespace });
      this.#cache = cache;
      this.#closers.unshift(() => cache.close());
    }
    return this.#cache;
  }

  /** Calls other services by name. */
  get client(): Client {
    if (!this.#client) {
      const { namespace, region, zone } = this.environment;
      const { name, logger, metrics } = this;
      const discovery = withPlatformServices(this.cache);
      const limits = { messageBytes: this.config.limits.messageBytes };
      const client = new Client({ discovery, name, namespace, region, zone, limits, logger, metrics });
      this.#client = client;
      this.#closers.unshift(() => client.close());
    }
    return this.#client;
  }

  /** An id for a node of this process, unless the environment has one. */
  nodeId(service: string): string {
    return this.environment.nodeId ?? `${service}-${randomBytes(6).toString('hex')}`;
  }

  /** Closes what keeps and what publishes, then client, cache and registry, which they may need. A second call does nothing. */
  async close(): Promise<void> {
    await Promise.all([this.events, this.broker, this.locks, this.blobs, this.store].map((block) => block.close()));
    for (const close of this.#closers.splice(0)) await close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What adapters see of it; the client is not made before one asks. */
  #surroundings(): Surroundings {
    const client = () => this.client;
    const { name, config, registry, logger } = this;
    return {
      name,
      config,
      registry,
      get client() {
        return client();
      },
      warn: (message) => logger.warn(message),
    };
  }
}

interface OpenedRegistry {
  readonly registry: Registry;
  readonly close: () => Promise<void>;
}

/** Configuration → what is open. */
async function openFrom(
  config: Config,
  options: PlatformOptions & { readonly logger: Logger },
): Promise<OpenedRegistry> {
  const { name, logger, keepRegistrations } = options;
  const { registry } = config;
  switch (registry.adapter) {
    case 'memory':
      return opened(await openRegistry(registry));
    case 'mdns':
      return opened(
        await openRegistry({ ...registry, keepOnClose: keepRegistrations, warn: (message) => logger.warn(message) }),
      );
    case 'etcd': {
      const options = { ...registry, keepOnClose: keepRegistrations, warn: (message: string) => logger.warn(message) };
      return opened(new LaterRegistry(() => withPackages(['etcd3'], () => openRegistry(options))));
    }
    case 'remote': {
      // A client of its own, which finds nothing but the registry's server.
      const client = new Client({
        discovery: fixedTargets(registry.address),
        name,
        limits: { messageBytes: config.limits.messageBytes },
        logger,
      });
      const remote = opened(await openRegistry({ adapter: 'remote', client }));
      return { registry: remote.registry, close: () => remote.close().finally(() => client.close()) };
    }
  }
}

function opened(registry: Registry): OpenedRegistry {
  return { registry, close: () => registry.close() };
}

async function nothing(): Promise<void> {}
