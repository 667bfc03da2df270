import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { RegistryCache, type Service } from '@micro/registry';
import { Logger } from '@micro/telemetry';
import { RoutingTable } from './routing-table.js';
import { type LazySchema, Schemas } from './schemas.js';

/** Milliseconds between two compilations while the registry keeps changing: nodes come and go far more often than endpoints. */
const pause = 100;
const mostNamespaces = 256;

/** The routing table of each namespace that is asked for, kept in step with the registry. */
@Injectable()
export class RoutingTables implements OnModuleDestroy {
  readonly #cache: RegistryCache;
  readonly #logger: Logger;
  readonly #namespaces = new Map<string, Namespace>();
  readonly #stopWatching: () => void;

  constructor(cache: RegistryCache, logger: Logger) {
    this.#cache = cache;
    this.#logger = logger;
    this.#stopWatching = cache.onChange((namespace) => this.#namespaces.get(namespace)?.changed());
  }

  /** The table as of a moment ago; a promise while the registry has not yet told of the namespace. */
  of(namespace: string): RoutingTable | Promise<RoutingTable> {
    return this.#namespaces.get(namespace)?.table() ?? this.latest(namespace);
  }

  /** The table as it is now, for when the other one has not what was looked for. */
  async latest(namespace: string): Promise<RoutingTable> {
    await this.#cache.ready(namespace);
    return this.#namespace(namespace).latest();
  }

  /**
   * Resolves once a service that the registry has is known here, or it is certain that the registry has it not. Asked before the namespace is
   * read, when a service may merely not have been heard of yet.
   */
  async arrival(service: string, namespace: string): Promise<void> {
    await this.#cache.service(service, namespace);
  }

  onModuleDestroy(): void {
    this.#stopWatching();
  }

  #namespace(name: string): Namespace {
    let namespace = this.#namespaces.get(name);
    if (namespace) return namespace;
    // Names come from callers. What is forgotten is compiled again when it is asked for.
    if (this.#namespaces.size >= mostNamespaces)
      this.#namespaces.delete(this.#namespaces.keys().next().value as string);
    namespace = new Namespace(name, this.#cache, this.#logger);
    this.#namespaces.set(name, namespace);
    return namespace;
  }
}

class Namespace {
  readonly #name: string;
  readonly #cache: RegistryCache;
  readonly #logger: Logger;
  readonly #schemas: Schemas;
  /** Problems that were told, so that a changing registry does not tell them again and again. */
  readonly #told = new Set<string>();
  #services: readonly Service[] | undefined;
  #table: RoutingTable | undefined;
  #compiledAt = 0;
  #stale = true;

  constructor(name: string, cache: RegistryCache, logger: Logger) {
    this.#name = name;
    this.#cache = cache;
    this.#logger = logger.child({ namespace: name });
    this.#schemas = new Schemas(({ name, version }, error) =>
      this.#tell('a schema cannot be read', { service: name, version, problem: error.detail }),
    );
  }

  changed(): void {
    this.#stale = true;
  }

  table(): RoutingTable {
    if (this.#table && (!this.#stale || performance.now() - this.#compiledAt < pause)) return this.#table;
    return this.latest();
  }

  latest(): RoutingTable {
    const services = this.#cache.services(this.#name);
    this.#stale = false;
    if (this.#table && services === this.#services) return this.#table;
    const schemas = this.#schemas.of(services);
    const versions = services.map((service, index) => ({ service, schema: schemas[index] as LazySchema }));
    this.#services = services;
    this.#table = new RoutingTable(versions, (problem, { service, endpoint }) =>
      this.#tell('a declared route is ignored', { service, endpoint: endpoint.name, problem }),
    );
    this.#compiledAt = performance.now();
    return this.#table;
  }

  #tell(message: string, fields: Readonly<Record<string, string>>): void {
    const key = JSON.stringify([message, fields]);
    if (this.#told.has(key)) return;
    if (this.#told.size > 1000) this.#told.clear();
    this.#told.add(key);
    this.#logger.warn(message, fields);
  }
}
