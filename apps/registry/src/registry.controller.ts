import { randomUUID } from 'node:crypto';
import type { registryProto } from '@micro/proto';
import { Registry, RegistryHandlers } from '@micro/registry';
import type { CallContext, Metadata } from '@micro/rpc';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';

@Controller()
export class RegistryController {
  readonly #handlers: RegistryHandlers;

  constructor(registry: Registry) {
    // What is registered through this process is known to this process: another one starts with nothing, until it is renewed.
    this.#handlers = new RegistryHandlers(registry, randomUUID());
  }

  @GrpcMethod('Registry', 'Register')
  register(request: registryProto.RegisterRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.register(request, context);
  }

  @GrpcMethod('Registry', 'Deregister')
  deregister(request: registryProto.DeregisterRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.deregister(request, context);
  }

  @GrpcMethod('Registry', 'GetService')
  getService(request: registryProto.GetServiceRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.getService(request, context);
  }

  @GrpcMethod('Registry', 'ListServices')
  listServices(request: registryProto.ListServicesRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.listServices(request, context);
  }

  @GrpcMethod('Registry', 'Watch')
  watch(request: registryProto.WatchRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.watch(request, context);
  }

  /** Called when the process is about to stop. */
  stop(): void {
    this.#handlers.stop();
  }
}
