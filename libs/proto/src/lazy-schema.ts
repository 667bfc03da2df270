import type { MethodDefinition, MethodTypes, ServiceDefinition, ServiceSchema } from './definition.js';
import { parseSchema, type Schema } from './schema.js';

/** Services of .proto sources that are parsed when one of them is first looked into. */
export interface LazySchema {
  service<M extends MethodTypes = MethodTypes>(fullName: string): ServiceDefinition<M>;
}

/**
 * As `parseSchema`, but nothing is parsed before a service is used: importing generated code costs nothing, and a process pays only for the
 * services that it calls or serves. What is wrong with the sources, or with the name of a service, is an error then.
 */
export function lazySchema(files: Readonly<Record<string, string>>): LazySchema {
  let schema: Schema | undefined;
  const parsed = () => (schema ??= parseSchema(files));
  return { service: <M extends MethodTypes>(fullName: string) => new LazyService<M>(fullName, parsed) };
}

class LazyService<M extends MethodTypes> implements ServiceDefinition<M> {
  readonly #parsed: () => Schema;

  constructor(
    readonly name: string,
    parsed: () => Schema,
  ) {
    this.#parsed = parsed;
  }

  get shortName(): string {
    return this.name.slice(this.name.lastIndexOf('.') + 1);
  }

  get package(): string {
    return this.name.slice(0, Math.max(0, this.name.lastIndexOf('.')));
  }

  get comment(): string {
    return this.#service.comment;
  }

  get methods(): readonly MethodDefinition[] {
    return this.#service.methods;
  }

  get schema(): ServiceSchema {
    return this.#parsed();
  }

  get #service(): ServiceDefinition {
    return this.#parsed().service(this.name);
  }
}
