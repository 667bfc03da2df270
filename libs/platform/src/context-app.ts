import 'reflect-metadata';
import type { INestApplicationContext, Type } from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import { Hosted, type HostOptions, type Listener } from './hosted.js';
import type { Find } from './nest-app.js';
import { NestLogger } from './nest-logger.js';
import type { Platform } from './platform.js';
import { PlatformModule } from './platform.module.js';

export interface ContextHostOptions extends HostOptions {
  readonly module: Type<unknown>;
  /** Asked once the module's providers are made. */
  readonly listener: (find: Find) => Listener;
}

/** A Nest application whose port is its own, and no RPC server's: listening and registered. */
export async function hostContext(
  platform: Platform,
  options: ContextHostOptions,
): Promise<{ app: INestApplicationContext; hosted: Hosted }> {
  const app = await NestFactory.createApplicationContext(
    { module: class Root {}, imports: [PlatformModule.forRoot(platform), options.module] },
    { logger: new NestLogger(platform.logger), abortOnError: false },
  );
  const modules = app.get(ModuleRef);
  const own = options.listener((token) => modules.get(token, { strict: false }));
  const listener: Listener = {
    listen: () => own.listen(),
    services: () => own.services(),
    setServing: (serving) => own.setServing(serving),
    close: async (close) => {
      await own.close(close);
      await app.close();
    },
  };
  return { app, hosted: await Hosted.start(platform, listener, options) };
}
