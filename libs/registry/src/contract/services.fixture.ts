import type { Endpoint, Node, Registry, RegistryEvent, Service } from '../registry.js';

/** How long to wait for what another registry is to see, and how often to look. */
export const soon = { timeout: 10_000, interval: 10 };

export function greeter(fields: Partial<Service> = {}): Service {
  return {
    name: 'greeter',
    version: 'latest',
    metadata: {},
    endpoints: [endpoint('Call')],
    nodes: [node('n1')],
    schema: Uint8Array.of(1, 2, 3),
    ...fields,
  };
}

export function endpoint(name: string, fields: Partial<Endpoint> = {}): Endpoint {
  return {
    name: `Greeter.${name}`,
    path: `/greeter.Greeter/${name}`,
    kind: 'unary',
    idempotency: 'unknown',
    request: `greeter.${name}Request`,
    response: `greeter.${name}Response`,
    metadata: {},
    ...fields,
  };
}

export function node(id: string, fields: Partial<Node> = {}): Node {
  return { id, address: '127.0.0.1:4321', metadata: { protocol: 'connect,grpc' }, ...fields };
}

/** Reads a watch to its end and keeps what it told, also as short texts. */
export function listen(registry: Registry, options: Parameters<Registry['watch']>[0] = {}) {
  const events: RegistryEvent[] = [];
  const seen: string[] = [];
  const read = async () => {
    for await (const event of registry.watch(options)) {
      events.push(event);
      seen.push(event.type === 'synced' ? 'synced' : `${event.type} ${event.service.name}`);
    }
  };
  return { events, seen, done: read() };
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

export async function first<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}
