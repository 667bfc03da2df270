import type { HttpRule, MethodDefinition, Schema } from '@micro/proto';
import type { Endpoint, Service } from '@micro/registry';

/** Where a method's schema comes from. */
export interface SchemaSource {
  get(): Schema | undefined;
  /** False where there is certainly no google.api.http in it; asking costs less than reading the schema. */
  readonly mayDeclareRoutes: boolean;
}

/** An endpoint of a service as the gateway calls it. */
export class Method {
  readonly service: string;
  readonly endpoint: Endpoint;
  /** Whether a second call is as good as one, so that it may be retried. */
  readonly idempotent: boolean;
  readonly #schema: SchemaSource;
  #neverAnswers: boolean | undefined;

  constructor(service: string, endpoint: Endpoint, schema: SchemaSource) {
    this.service = service;
    this.endpoint = endpoint;
    this.idempotent = endpoint.idempotency !== 'unknown';
    this.#schema = schema;
  }

  get path(): string {
    return this.endpoint.path;
  }

  /** Undefined where the registration has no schema, or one that does not have the method. */
  get definition(): MethodDefinition | undefined {
    return this.#schema.get()?.method(this.endpoint.path);
  }

  /** Its google.api.http, additional bindings included. */
  get httpRules(): readonly HttpRule[] {
    return this.#schema.mayDeclareRoutes ? (this.definition?.http ?? []) : [];
  }

  /** Whether its response has no fields, so that there is nothing to answer. */
  get neverAnswers(): boolean {
    return (this.#neverAnswers ??=
      this.endpoint.response === 'google.protobuf.Empty' || this.definition?.output.fields.length === 0);
  }
}

/** A service with the methods that can be found by name. */
export class ServiceMethods {
  readonly name: string;
  readonly versions: readonly Service[];
  readonly #exact = new Map<string, Method>();
  readonly #loose = new Map<string, Method>();

  /** Versions ascending, each with its schema: the endpoints of a newer one replace those of an older. */
  constructor(name: string, versions: readonly { readonly service: Service; readonly schema: SchemaSource }[]) {
    this.name = name;
    this.versions = versions.map(({ service }) => service);
    for (const { service, schema } of versions) {
      for (const endpoint of service.endpoints) {
        const method = new Method(name, endpoint, schema);
        this.#exact.set(endpoint.name, method);
        this.#loose.set(loosely(endpoint.name), method);
      }
    }
  }

  /** By name as in `Helloworld.Call`; failing that, without regard to case, hyphens and underscores. */
  find(endpoint: string): Method | undefined {
    return this.#exact.get(endpoint) ?? this.#loose.get(loosely(endpoint));
  }

  /** Whether a node can be asked over gRPC. */
  get speaksGrpc(): boolean {
    return this.versions.some(({ nodes }) =>
      nodes.some(({ metadata }) => (metadata['protocol'] ?? 'grpc').includes('grpc')),
    );
  }

  get methods(): Iterable<Method> {
    return this.#exact.values();
  }

  get names(): readonly string[] {
    return [...this.#exact.keys()];
  }
}

function loosely(endpoint: string): string {
  return endpoint.replace(/[-_]/g, '').toLowerCase();
}
