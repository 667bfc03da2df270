import { schemaFromDescriptorSet, type Schema, type ServiceDefinition } from '@micro/proto';
import { RegistryCache, type Service } from '@micro/registry';
import { Environment } from '@micro/platform';
import { Injectable } from '@nestjs/common';

/** What the platform's services can do, as they registered it: the proxy's reflection and health answer from this. */
@Injectable()
export class Described {
  readonly #cache: RegistryCache;
  readonly #namespace: string;
  /** By the registered bytes, which stay the same object until a service registers others. */
  readonly #schemas = new WeakMap<Uint8Array, Schema>();

  constructor(cache: RegistryCache, environment: Environment) {
    this.#cache = cache;
    this.#namespace = environment.namespace;
    // Read before the first question comes, which is answered at once with what is known.
    void cache.ready(this.#namespace).catch(() => undefined);
  }

  /** Every service of a .proto that has a live node. Of several versions the last one describes it. */
  readonly services = (): readonly ServiceDefinition[] => {
    const found = new Map<string, ServiceDefinition>();
    for (const service of this.#cache.services(this.#namespace)) {
      for (const definition of this.#definitions(service)) found.set(definition.name, definition);
    }
    return [...found.values()];
  };

  #definitions({ schema, endpoints }: Service): ServiceDefinition[] {
    if (!schema) return [];
    let parsed = this.#schemas.get(schema);
    if (!parsed) this.#schemas.set(schema, (parsed = schemaFromDescriptorSet(schema)));
    const names = new Set(endpoints.map(({ path }) => path.slice(1, path.lastIndexOf('/'))));
    return [...parsed.services.values()].filter(({ name }) => names.has(name));
  }
}
