import type { INestApplicationContext, INestMicroservice, Type } from '@nestjs/common';
import type { ServiceDefinition } from '@micro/proto';
import type { Registry } from '@micro/registry';
import { createLogger, type Logger } from '@micro/telemetry';
import { type Address, onLoopback } from './address.js';
import { configOf } from './config.js';
import { type Environment, readEnvironment } from './env.js';
import type { Hosted, Listener } from './hosted.js';
import type { Find, ServerExtras } from './nest-app.js';
import { fail, ownProcess, tellReady } from './lifecycle.js';
import { Platform } from './platform.js';
import { type Block, reach, blocksOnServers } from './reach.js';

/** A process of Micro's own, as its main.ts describes it. */
export interface AppOptions {
  /** Name that it is registered under. */
  readonly name: string;
  /** Its one Nest module. */
  readonly module: Type<unknown>;
  /** What it answers over RPC, by controllers of the module. */
  readonly services?: readonly ServiceDefinition[];
  /** What it is the door to: it is ready once the servers that these are kept in, and the registry, have answered. */
  readonly fronts?: readonly Block[];
  /** Port of 127.0.0.1, where MICRO_ADDRESS says nothing else. */
  readonly port: number;
  /** Default: MICRO_VERSION, else the version of Micro. */
  readonly version?: string;
  /** What its server does besides calls, by providers of the module: `server: (find) => ({ http: find(Gateway).route })`. */
  readonly server?: (find: Find) => ServerExtras;
  /** Instead of an RPC server: what listens, from the providers of the module and the address it is to have. `services` and `server` then say nothing. */
  readonly listener?: (find: Find, address: Address) => Listener;
  /** Called before anything listens: the place for global filters. */
  readonly configure?: (app: INestMicroservice) => void;
  /** Leaves what others registered through this app to expire when it stops: they renew it, and shall not notice a restart. */
  readonly keepRegistrations?: boolean;
  /** Added to the node's in the registry. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * Called as soon as a stop begins, while calls in flight are still being finished; the stop waits for it. The place to end what would not end
   * by itself, and what takes long.
   */
  readonly stopping?: (find: Find) => Promise<void>;
}

/** What a test gives instead of the process's own. */
export interface StartOptions {
  readonly environment?: Environment;
  readonly registry?: Registry;
  readonly logger?: Logger;
}

export interface RunningApp extends AsyncDisposable {
  readonly app: INestApplicationContext;
  readonly platform: Platform;
  /** `host:port`. */
  readonly address: string;
  /** Settles when it is ready, or is being stopped; rejects with what waiting does not mend. */
  readonly ready: Promise<void>;
  /** In good order: deregister, let the news spread, drain, close. */
  stop(): Promise<void>;
}

/** Version of Micro: an app is a bundle without a package.json beside it. A spec compares it with those that there are. */
const microVersion = '0.1.0';

/** The one bootstrap of every app: starts it and owns the process, from the first signal handler to the exit code. */
export async function runApp(options: AppOptions): Promise<void> {
  let logger = createLogger({ name: options.name, format: process.stderr.isTTY ? 'pretty' : 'json' });
  let starting: Promise<RunningApp> | undefined;
  try {
    const environment = readEnvironment();
    logger = createLogger({ name: options.name, ...configOf(environment).log });
    const app = (starting = startApp(options, { environment, logger }));
    ownProcess({ logger, stop: async () => (await app).stop() });
    const { address, ready } = await app;
    tellReady(address);
    await ready;
  } catch (error) {
    // Nobody shall be sent here for as long as the registration would last.
    const app = await starting?.catch(() => undefined);
    await app?.stop().catch(() => undefined);
    fail(logger, error);
  }
}

/** Starts an app and leaves the process alone: for tests, and for several apps in one process. */
export async function startApp(options: AppOptions, start: StartOptions = {}): Promise<RunningApp> {
  const environment = start.environment ?? readEnvironment();
  const platform = await Platform.open(environment, {
    name: options.name,
    logger: start.logger,
    registry: start.registry,
    keepRegistrations: options.keepRegistrations,
  });
  try {
    const { app, hosted } = await host(platform, options);
    const stop = async () => {
      await Promise.all([options.stopping?.((token) => app.get(token, { strict: false })), hosted.stop()]);
      await platform.close();
    };
    return { app, platform, address: hosted.address, ready: hosted.ready, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await platform.close();
    throw error;
  }
}

async function host(
  platform: Platform,
  options: AppOptions,
): Promise<{ app: INestApplicationContext; hosted: Hosted }> {
  const { config, environment, logger, metrics } = platform;
  const { name, metadata, module, listener, fronts = [] } = options;
  const version = options.version ?? environment.version ?? microVersion;
  const address = environment.address ?? onLoopback(options.port);
  const away = blocksOnServers(platform, ['registry', ...fronts]);
  const reachAll = away.length > 0 ? (signal: AbortSignal) => reach(platform, away, signal) : undefined;
  const own = { name, version, metadata, shared: true, module, reach: reachAll };
  // Nest is loaded here, so that those who import this lib for something else do not load it.
  if (listener) {
    const { hostContext } = await import('./context-app.js');
    return hostContext(platform, { ...own, listener: (find) => listener(find, address) });
  }
  const { hostNest } = await import('./nest-app.js');
  return hostNest(platform, {
    ...own,
    services: options.services ?? [],
    server: { name, version, ...address, limits: { messageBytes: config.limits.messageBytes }, logger, metrics },
    extras: options.server,
    configure: options.configure,
  });
}
