import { MicroError } from '@micro/errors';
import { type Schema, schemaFromDescriptorSet } from '@micro/proto';
import type { Service } from '@micro/registry';

/** The schema of a service, read when it is first asked for: most calls are forwarded without one. */
export class LazySchema {
  readonly bytes: Uint8Array | undefined;
  readonly #onFault: (error: MicroError) => void;
  #schema: Schema | undefined;
  #read = false;

  constructor(bytes: Uint8Array | undefined, onFault: (error: MicroError) => void) {
    this.bytes = bytes;
    this.#onFault = onFault;
  }

  /** Undefined where there is none, or none that can be read. */
  get(): Schema | undefined {
    if (this.#read || !this.bytes) return this.#schema;
    this.#read = true;
    try {
      this.#schema = schemaFromDescriptorSet(this.bytes);
    } catch (error) {
      this.#onFault(MicroError.from(error));
    }
    return this.#schema;
  }

  /** Whether a look into it can find google.api.http at all: a thousand schemas without are not read only to see that. */
  get mayDeclareRoutes(): boolean {
    const { bytes } = this;
    return (
      bytes !== undefined &&
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('google/api/annotations.proto')
    );
  }
}

/** Schemas of all services of a namespace, kept while their bytes stay the same. */
export class Schemas {
  readonly #onFault: (service: Service, error: MicroError) => void;
  #known = new Map<string, LazySchema>();

  constructor(onFault: (service: Service, error: MicroError) => void) {
    this.#onFault = onFault;
  }

  /** One for each service, in their order; forgets those of services that are gone. */
  of(services: readonly Service[]): LazySchema[] {
    const kept = new Map<string, LazySchema>();
    const schemas = services.map((service) => {
      const key = `${service.name} ${service.version}`;
      const before = this.#known.get(key);
      const schema =
        before && sameBytes(before.bytes, service.schema)
          ? before
          : new LazySchema(service.schema, (error) => this.#onFault(service, error));
      kept.set(key, schema);
      return schema;
    });
    this.#known = kept;
    return schemas;
  }
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0);
}
