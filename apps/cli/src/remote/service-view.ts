import type { Idempotency, JsonValue, MethodKind, Schema } from '@micro/proto';

/** One version of a service, as the registry's JSON has it. */
export interface ServiceView {
  readonly name: string;
  readonly version: string;
  readonly namespace: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly endpoints: readonly EndpointView[];
  readonly nodes: readonly NodeView[];
  /** Serialised FileDescriptorSet in base64; empty if the service has none. */
  readonly schema: string;
}

export interface EndpointView {
  /** `Helloworld.Call` */
  readonly name: string;
  /** `/helloworld.Helloworld/Call` */
  readonly path: string;
  readonly kind: MethodKind;
  readonly idempotency: Idempotency;
  readonly request: string;
  readonly response: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface NodeView {
  readonly id: string;
  readonly address: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const kinds: Readonly<Record<string, MethodKind>> = {
  UNARY: 'unary',
  CLIENT_STREAM: 'clientStream',
  SERVER_STREAM: 'serverStream',
  BIDI_STREAM: 'bidiStream',
};

const idempotencies: Readonly<Record<string, Idempotency>> = {
  NO_SIDE_EFFECTS: 'noSideEffects',
  IDEMPOTENT: 'idempotent',
};

/** Services of an answer of the registry: canonical JSON, in which what is empty is left out. */
export function servicesOf(answer: JsonValue, namespace: string): ServiceView[] {
  const { services = [] } = answer as {
    services?: Partial<Omit<ServiceView, 'endpoints'> & { endpoints: Partial<Record<keyof EndpointView, never>>[] }>[];
  };
  return services.map((service) => ({
    name: service.name ?? '',
    version: service.version ?? '',
    namespace,
    metadata: service.metadata ?? {},
    endpoints: (service.endpoints ?? []).map((endpoint) => ({
      name: endpoint.name ?? '',
      path: endpoint.path ?? '',
      kind: kinds[endpoint.kind ?? 'UNARY'] ?? 'unary',
      idempotency: idempotencies[endpoint.idempotency ?? ''] ?? 'unknown',
      request: endpoint.request ?? '',
      response: endpoint.response ?? '',
      metadata: endpoint.metadata ?? {},
    })),
    nodes: (service.nodes ?? []).map(({ id, address, metadata }) => ({
      id: id ?? '',
      address: address ?? '',
      metadata: metadata ?? {},
    })),
    schema: service.schema ?? '',
  }));
}

const schemas = new WeakMap<ServiceView, Schema>();

/** The messages of a service; undefined if it registered none. */
export async function schemaOf(service: ServiceView): Promise<Schema | undefined> {
  if (service.schema === '') return undefined;
  const known = schemas.get(service);
  if (known) return known;
  const { readSchema } = await import('./schema.js');
  const schema = readSchema(service.schema);
  schemas.set(service, schema);
  return schema;
}
