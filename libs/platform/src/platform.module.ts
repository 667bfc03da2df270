import { Broker, Events } from '@micro/broker';
import { type DynamicModule, Module, Scope } from '@nestjs/common';
import { Registry, RegistryCache } from '@micro/registry';
import { Client } from '@micro/rpc';
import { Blobs, Locks, Store } from '@micro/store';
import { Logger } from '@micro/telemetry';
import { Config } from './config.js';
import { Environment } from './env.js';
import { Platform } from './platform.js';

/** What keeps and what publishes, as those who inject it see it. */
export type Blocks = Pick<Platform, 'store' | 'blobs' | 'locks' | 'broker' | 'events'>;

/**
 * What every module of an app can inject: Environment, Config, Logger, Registry, RegistryCache, Client, Store, Blobs, Locks, Broker, Events,
 * and Platform, which has them all.
 * Cache and client are transient so that Nest makes them for those who ask, and for nobody else; all get the same one.
 */
@Module({})
export class PlatformModule {
  /** `blocks`: instead of the platform's. */
  static forRoot(platform: Platform, blocks: Blocks = platform): DynamicModule {
    const values = [
      { provide: Platform, useValue: platform },
      { provide: Environment, useValue: platform.environment },
      { provide: Config, useValue: platform.config },
      { provide: Logger, useValue: platform.logger },
      { provide: Registry, useValue: platform.registry },
      { provide: Store, useValue: blocks.store },
      { provide: Blobs, useValue: blocks.blobs },
      { provide: Locks, useValue: blocks.locks },
      { provide: Broker, useValue: blocks.broker },
      { provide: Events, useValue: blocks.events },
    ];
    const lazy = [
      { provide: RegistryCache, useFactory: () => platform.cache, scope: Scope.TRANSIENT },
      { provide: Client, useFactory: () => platform.client, scope: Scope.TRANSIENT },
    ];
    const providers = [...values, ...lazy];
    return { module: PlatformModule, global: true, providers, exports: providers.map(({ provide }) => provide) };
  }
}
