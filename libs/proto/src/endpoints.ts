import type { Idempotency, MethodKind, ServiceDefinition } from './definition.js';

/** What the registry holds of a method: enough to route to it without its schema. */
export interface EndpointRecord {
  /** `Helloworld.Call`. */
  readonly name: string;
  /** `/helloworld.Helloworld/Call`. */
  readonly path: string;
  readonly kind: MethodKind;
  readonly idempotency: Idempotency;
  /** Full names of the messages, to be looked up in the schema. */
  readonly request: string;
  readonly response: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A service's methods as the registry holds them. */
export function endpointsOf(service: ServiceDefinition): EndpointRecord[] {
  return service.methods.map(({ name, path, kind, idempotency, input, output }) => ({
    name: `${service.shortName}.${name}`,
    path,
    kind,
    idempotency,
    request: input.name,
    response: output.name,
    metadata: {},
  }));
}
