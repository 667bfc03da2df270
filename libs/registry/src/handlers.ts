import { MicroError } from '@micro/errors';
import { registryProto } from '@micro/proto';
import type { CallContext } from '@micro/rpc';
import { epochHeader, fromMessage, toEventMessage, toMessage } from './messages.js';
import { type Registry, type Service, sharedKey } from './registry.js';

/** A registry as the service of registry.proto: each method is one call on the contract, in the namespace of the caller. */
export class RegistryHandlers {
  readonly #registry: Registry;
  readonly #epoch: string;
  readonly #stopping = new AbortController();

  /** `epoch` names the life of what the registry remembers: another one tells watchers that everything before it was forgotten. */
  constructor(registry: Registry, epoch: string) {
    this.#registry = registry;
    this.#epoch = epoch;
  }

  async register(
    { service, ttlMs }: registryProto.RegisterRequest,
    { namespace }: CallContext,
  ): Promise<registryProto.RegisterResponse> {
    await this.#registry.register(unshared(fromMessage(required(service))), { namespace, ttl: ttlMs || undefined });
    return {};
  }

  async deregister(
    { service }: registryProto.DeregisterRequest,
    { namespace }: CallContext,
  ): Promise<registryProto.DeregisterResponse> {
    await this.#registry.deregister(fromMessage(required(service)), { namespace });
    return {};
  }

  async getService(
    { name }: registryProto.GetServiceRequest,
    { namespace }: CallContext,
  ): Promise<registryProto.GetServiceResponse> {
    const services = await this.#registry.get(name, { namespace });
    if (services.length > 0) return { services: services.map(toMessage) };
    throw new MicroError('not_found', `service ${JSON.stringify(name)} is not registered in namespace "${namespace}"`, {
      id: 'registry',
    });
  }

  async listServices(
    _request: registryProto.ListServicesRequest,
    { namespace }: CallContext,
  ): Promise<registryProto.ListServicesResponse> {
    return { services: (await this.#registry.list({ namespace })).map(toMessage) };
  }

  async *watch({ name }: registryProto.WatchRequest, { namespace, signal, responseHeaders }: CallContext) {
    responseHeaders.set(epochHeader, this.#epoch);
    const ending = AbortSignal.any([signal, this.#stopping.signal]);
    const events = this.#registry.watch({ namespace, name: name || undefined, signal: ending });
    for await (const event of events) yield toEventMessage(event);
    if (!signal.aborted) throw new MicroError('unavailable', 'the registry stops: watch again', { id: 'registry' });
  }

  /** Ends the watches, which by themselves would last for ever, so that their server can stop. */
  stop(): void {
    this.#stopping.abort();
  }
}

function required(service: registryProto.Service | undefined): registryProto.Service {
  if (!service) throw new MicroError('invalid_argument', 'the request has no service', { id: 'registry' });
  return service;
}

/** Who registers over RPC may be anybody: that it serves every namespace is not its to say. */
function unshared(service: Service): Service {
  const nodes = service.nodes.map((node) => {
    const { [sharedKey]: _, ...metadata } = node.metadata;
    return { ...node, metadata };
  });
  return { ...service, nodes };
}
