import 'reflect-metadata';
import type { INestMicroservice, Type } from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import type { ServiceDefinition } from '@micro/proto';
import type { RpcServerOptions } from '@micro/rpc';
import { RpcTransport } from '@micro/rpc/nest';
import { Hosted, type HostOptions, type Listener } from './hosted.js';
import { NestLogger } from './nest-logger.js';
import type { Platform } from './platform.js';
import { type Blocks, PlatformModule } from './platform.module.js';

/** Finds a provider of the app's modules by its token. */
export type Find = <T>(token: abstract new (...args: never[]) => T) => T;

/** What an app adds to its server: plain HTTP, upgrades, limits. */
export type ServerExtras = Partial<
  Pick<RpcServerOptions, 'described' | 'http' | 'http2' | 'intercept' | 'limits' | 'upgrade'>
>;

export interface NestHostOptions extends HostOptions {
  readonly module: Type<unknown>;
  readonly services: readonly ServiceDefinition[];
  readonly server: RpcServerOptions;
  /** Asked once the module's providers are made. */
  readonly extras?: (find: Find) => ServerExtras;
  /** What the module gets injected instead of the platform's own. */
  readonly blocks?: Blocks;
  /** Called before anything listens: the place for global guards, pipes and filters. */
  readonly configure?: (app: INestMicroservice) => void;
}

export interface HostedNest {
  readonly app: INestMicroservice;
  readonly hosted: Hosted;
}

/** A Nest microservice over our transport, listening and registered. */
export async function hostNest(platform: Platform, options: NestHostOptions): Promise<HostedNest> {
  let made: RpcTransport | undefined;
  const microservice: AsyncMicroserviceOptions = {
    inject: [ModuleRef],
    useFactory: (modules: ModuleRef) => {
      const extras = options.extras?.((token) => modules.get(token, { strict: false }));
      const limits = { ...options.server.limits, ...extras?.limits };
      made = new RpcTransport({ ...options.server, ...extras, limits, services: options.services });
      return { strategy: made };
    },
  };
  const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(
    { module: class Root {}, imports: [PlatformModule.forRoot(platform, options.blocks), options.module] },
    { ...microservice, logger: new NestLogger(platform.logger), abortOnError: false },
  );
  const transport = made as RpcTransport;
  transport.prepare(app);
  options.configure?.(app);
  const listener: Listener = {
    listen: async () => {
      await app.listen();
      return transport.address;
    },
    services: () => options.services,
    setServing: (serving) => transport.setServing(serving),
    close: async (close) => {
      await transport.close(close);
      await app.close();
    },
  };
  return { app, hosted: await Hosted.start(platform, listener, options) };
}
