import { Injectable } from '@nestjs/common';
import { RegistryCache } from '@micro/registry';
import { Logger } from '@micro/telemetry';
import { RoutingTable } from './routing-table.js';
import { Schemas } from './schemas.js';

/** Milliseconds between two compilations while the registry keeps changing: nodes come and go far more often than endpoints. */
const pause = 100;

/** The routing table of each namespace that is asked for, kept in step with the registry. */
@Injectable()
export class RoutingTables {
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
    return this.#namespaces.get(namespace)?.table() ?? this.#open(namespace);
  }

  /** The table as it is now, for when the other one has not what was looked for. */
  latest(namespace: string): RoutingTable | Promise<RoutingTable> {
    return this.#namespaces.get(namespace)?.latest() ?? this.#open(namespace);
  }

  close(): void {
    this.#stopWatching();
  }

  async #open(namespace: string): Promise<RoutingTable> {
    await this.#cache.ready(namespace);
    let entry = this.#namespaces.get(namespace);
    if (!entry) this.#namespaces.set(namespace, (entry = new Namespace(namespace, this.#cache, this.#logger)));
    return entry.latest();
  }
}

class Namespace {
  readonly #name: string;
  readonly #cache: RegistryCache;
  readonly #logger: Logger;
  readonly #schemas: Schemas;
  /** Problems that were told, so that a changing registry does not tell them again and again. */
  readonly #told = new Set<string>();
  #table: RoutingTable | undefined;
  #compiledAt = 0;
  #stale = true;

  constructor(name: string, cache: RegistryCache, logger: Logger) {
    this.#name = name;
    this.#cache = cache;
    this.#logger = logger.child({ namespace: name });
    this.#schemas = new Schemas(({ name, version }, error) => this.#tell('a schema cannot be read', { service: name, version, problem: error.detail }));
  }

  changed(): void {
    this.#stale = true;
  }

  table(): RoutingTable {
    if (this.#table && (!this.#stale || performance.now() - this.#compiledAt < pause)) return this.#table;
    return this.latest();
  }

  latest(): RoutingTable {
    if (this.#table && !this.#stale) return this.#table;
    const services = this.#cache.services(this.#name);
    const schemas = this.#schemas.of(services);
    this.#table = new RoutingTable(
      services.map((service, index) => ({ service, schema: schemas[index] as (typeof schemas)[number] })),
      (problem, method) => this.#tell('a declared route is ignored', { service: method.service, endpoint: method.endpoint.name, problem }),
    );
    this.#stale = false;
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
