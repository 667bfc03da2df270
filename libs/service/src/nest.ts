import 'reflect-metadata';
import type { INestMicroservice, Type } from '@nestjs/common';
import { hostNest } from '@micro/platform/nest';
import type { ServiceDefinition } from '@micro/proto';
import { broker, events } from './own-broker.js';
import { locks } from './own-locks.js';
import { blobs, store } from './own-store.js';
import { type Served, type ServeOptions, serveWith } from './serve.js';

export interface ServeNestOptions extends ServeOptions {
  /** Called before anything listens: the place for global guards, pipes, interceptors and filters. */
  readonly configure?: (app: INestMicroservice) => void;
}

/**
 * Runs a service written as a Nest module with controllers.
 *
 * ```ts
 * @Controller()
 * class HelloworldController {
 *   @GrpcMethod('Helloworld')
 *   call({ name }: CallRequest): CallResponse {
 *     return { msg: `Hello ${name}` };
 *   }
 * }
 *
 * @Module({ controllers: [HelloworldController] })
 * class HelloworldModule {}
 *
 * await serveNest(Helloworld, HelloworldModule);
 * ```
 *
 * Any provider may inject `Logger`, and `Store`, `Blobs`, `Locks`, `Broker` and `Events`, which are the service's own as by import. Everything
 * else is as with `serve`.
 */
export function serveNest(
  definitions: ServiceDefinition | readonly ServiceDefinition[],
  module: Type<unknown>,
  options: ServeNestOptions = {},
): Promise<Served> {
  const services = [definitions].flat();
  return serveWith(services, options, async (platform, server) => {
    const { name, version } = server;
    const { configure, metadata } = options;
    const { hosted } = await hostNest(platform, {
      name,
      version,
      metadata,
      module,
      services,
      server,
      configure,
      blocks: { store, blobs, locks, broker, events },
    });
    return hosted;
  });
}

// Everything that a controller needs, from the one instance of Nest that this package uses.
export {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type DynamicModule,
  type ExceptionFilter,
  type ExecutionContext,
  Global,
  type INestMicroservice,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
  type PipeTransform,
  type Provider,
  SetMetadata,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
export { Call, type RequestObservable, RpcErrorFilter } from '@micro/rpc/nest';
export { Reflector } from '@nestjs/core';
export {
  BaseRpcExceptionFilter,
  Ctx,
  GrpcMethod,
  GrpcStreamCall,
  GrpcStreamMethod,
  Payload,
  RpcException,
} from '@nestjs/microservices';
