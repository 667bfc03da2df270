import { type DynamicModule, Module, Scope } from '@nestjs/common';
import { Registry, RegistryCache } from '@micro/registry';
import { Client } from '@micro/rpc';
import { Logger } from '@micro/telemetry';
import { Config } from './config.js';
import { Environment } from './env.js';
import { Platform } from './platform.js';

/**
 * What every module of an app can inject: Environment, Config, Logger, Registry, RegistryCache, Client, and Platform, which has them all.
 * Cache and client are transient so that Nest makes them for those who ask, and for nobody else; all get the same one.
 */
@Module({})
export class PlatformModule {
  static forRoot(platform: Platform): DynamicModule {
    const values = [
      { provide: Platform, useValue: platform },
      { provide: Environment, useValue: platform.environment },
      { provide: Config, useValue: platform.config },
      { provide: Logger, useValue: platform.logger },
      { provide: Registry, useValue: platform.registry },
    ];
    const lazy = [
      { provide: RegistryCache, useFactory: () => platform.cache, scope: Scope.TRANSIENT },
      { provide: Client, useFactory: () => platform.client, scope: Scope.TRANSIENT },
    ];
    const providers = [...values, ...lazy];
    return { module: PlatformModule, global: true, providers, exports: providers.map(({ provide }) => provide) };
  }
}
