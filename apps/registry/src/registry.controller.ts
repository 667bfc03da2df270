import { MicroError } from '@micro/errors';
import type { registryProto } from '@micro/proto';
import { fromMessage, Registry, toEventMessage, toMessage } from '@micro/registry';
import type { CallContext } from '@micro/rpc';
import { Call } from '@micro/rpc/nest';
import { Controller } from '@nestjs/common';
import { GrpcMethod, Payload } from '@nestjs/microservices';

/** Each method is one call on the contract, in the namespace of the caller. */
@Controller()
export class RegistryController {
  constructor(private readonly registry: Registry) {}

  @GrpcMethod('Registry', 'Register')
  async register(@Payload() { service, ttlMs }: registryProto.RegisterRequest, @Call() { namespace }: CallContext) {
    await this.registry.register(fromMessage(required(service)), { namespace, ttl: ttlMs || undefined });
    return {};
  }

  @GrpcMethod('Registry', 'Deregister')
  async deregister(@Payload() { service }: registryProto.DeregisterRequest, @Call() { namespace }: CallContext) {
    await this.registry.deregister(fromMessage(required(service)), { namespace });
    return {};
  }

  @GrpcMethod('Registry', 'GetService')
  async getService(@Payload() { name }: registryProto.GetServiceRequest, @Call() { namespace }: CallContext) {
    const services = await this.registry.get(name, { namespace });
    if (services.length === 0) {
      throw new MicroError('not_found', `service ${JSON.stringify(name)} is not registered in namespace "${namespace}"`, { id: 'registry' });
    }
    return { services: services.map(toMessage) };
  }

  @GrpcMethod('Registry', 'ListServices')
  async listServices(@Call() { namespace }: CallContext) {
    return { services: (await this.registry.list({ namespace })).map(toMessage) };
  }

  @GrpcMethod('Registry', 'Watch')
  async *watch(@Payload() { name }: registryProto.WatchRequest, @Call() { namespace, signal }: CallContext) {
    for await (const event of this.registry.watch({ namespace, name: name || undefined, signal })) yield toEventMessage(event);
  }
}

function required(service: registryProto.Service | undefined): registryProto.Service {
  if (!service) throw new MicroError('invalid_argument', 'the request has no service', { id: 'registry' });
  return service;
}
