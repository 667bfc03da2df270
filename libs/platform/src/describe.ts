import { endpointsOf, type ServiceDefinition } from '@micro/proto';
import { type Service, sharedKey } from '@micro/registry';

export interface Description {
  readonly name: string;
  readonly version: string;
  readonly nodeId: string;
  /** `host:port`. */
  readonly address: string;
  readonly region: string;
  readonly zone: string;
  readonly services: readonly ServiceDefinition[];
  /** Added to the node's. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether it serves callers of every namespace; the metadata cannot say so. */
  readonly shared?: boolean;
}

/** One running copy of a service as the registry holds it. */
export function describe(description: Description): Service {
  const { services, nodeId, address, region, zone, shared } = description;
  const { [sharedKey]: _, ...metadata } = description.metadata ?? {};
  const protocol = services.length > 0 ? 'connect,grpc' : 'http';
  return {
    name: description.name,
    version: description.version,
    metadata: {},
    endpoints: services.flatMap((service) => endpointsOf(service)),
    nodes: [
      {
        id: nodeId,
        address,
        metadata: { protocol, region, zone, ...metadata, ...(shared && { [sharedKey]: 'true' }) },
      },
    ],
    schema: services.length > 0 ? mergedSchema(services) : undefined,
  };
}

/** One FileDescriptorSet of all that the services are defined in, each file once. */
function mergedSchema(services: readonly ServiceDefinition[]): Uint8Array {
  const sets = [...new Set(services.map(({ schema }) => schema))].map((schema) => schema.descriptorSet());
  if (sets.length === 1) return sets[0] as Uint8Array;
  const files = new Map<string, Uint8Array>();
  for (const set of sets) for (const file of filesOf(set)) files.set(Buffer.from(file).toString('latin1'), file);
  return new Uint8Array(Buffer.concat([...files.values()]));
}

/** The elements of a set, each with its tag and length: `repeated FileDescriptorProto file = 1` is the only field. */
function* filesOf(set: Uint8Array): Iterable<Uint8Array> {
  let start = 0;
  while (start < set.length) {
    let at = start + 1;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = set[at++] as number;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    yield set.subarray(start, at + length);
    start = at + length;
  }
}
