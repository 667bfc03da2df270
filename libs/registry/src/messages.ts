/** Records of the contract as messages of registry.proto, and back. */
import { type Idempotency, type MethodKind, registryProto } from '@micro/proto';
import type { RegistryEvent, Service } from './registry.js';

const kinds: readonly MethodKind[] = ['unary', 'clientStream', 'serverStream', 'bidiStream'];
const levels: readonly Idempotency[] = ['unknown', 'noSideEffects', 'idempotent'];
const changes = ['created', 'updated', 'deleted'] as const;

/**
 * Response header of Watch: names the life of what a registry remembers. Another value than before says that it has forgotten
 * everything, and knows only those who have registered since.
 */
export const epochHeader = 'micro-registry-epoch';

export function toMessage(service: Service): registryProto.Service {
  return {
    name: service.name,
    version: service.version,
    metadata: { ...service.metadata },
    endpoints: service.endpoints.map((endpoint) => ({
      ...endpoint,
      metadata: { ...endpoint.metadata },
      kind: kinds.indexOf(endpoint.kind),
      idempotency: levels.indexOf(endpoint.idempotency),
    })),
    nodes: service.nodes.map((node) => ({ ...node, metadata: { ...node.metadata } })),
    schema: service.schema ?? new Uint8Array(),
  };
}

/** Enum values of a later version are read as the most cautious ones of this: a unary method that may not be called twice. */
export function fromMessage(message: registryProto.Service): Service {
  return {
    name: message.name,
    version: message.version,
    metadata: { ...message.metadata },
    endpoints: message.endpoints.map(({ name, path, kind, idempotency, request, response, metadata }) => ({
      name,
      path,
      kind: kinds[kind] ?? 'unary',
      idempotency: levels[idempotency] ?? 'unknown',
      request,
      response,
      metadata: { ...metadata },
    })),
    nodes: message.nodes.map(({ id, address, metadata }) => ({ id, address, metadata: { ...metadata } })),
    ...(message.schema.length > 0 ? { schema: message.schema } : {}),
  };
}

export function toEventMessage(event: RegistryEvent): { type: number; service?: registryProto.Service } {
  if (event.type === 'synced') return { type: registryProto.Event_Type.SYNCED };
  return { type: changes.indexOf(event.type), service: toMessage(event.service) };
}

/** Undefined for a type of event that a later version may have. */
export function fromEventMessage({ type, service }: registryProto.Event): RegistryEvent | undefined {
  if (type === registryProto.Event_Type.SYNCED) return { type: 'synced' };
  const change = changes[type];
  return change && service ? { type: change, service: fromMessage(service) } : undefined;
}
