import { MicroError } from '@micro/errors';
import {
  configOf,
  type Environment,
  type Hosted,
  ownProcess,
  Platform,
  type ProfileName,
  readEnvironment,
  tellReady,
} from '@micro/platform';
import { createLogger, type Logger, type LogFields } from '@micro/telemetry';
import { packageOfProgram } from './package-of-program.js';

/** What the program decides instead of the environment. */
export interface ProcessOptions {
  /** Default: MICRO_PROFILE, else `local`. `test` keeps everything within the process. */
  readonly profile?: ProfileName;
  /** Default: MICRO_NAMESPACE, else `micro`. */
  readonly namespace?: string;
  /** Whether to stop in good order on SIGTERM and SIGINT, and to log what nobody caught. Default true. */
  readonly signals?: boolean;
}

/** What goes on beside the calls, and ends with the service. */
export interface Activity {
  /** Begins nothing more, lets what has begun come to its end within so many milliseconds, then ends it. */
  stop(graceMs: number): Promise<void>;
}

/** The one platform of this process: opened with the first service, call or use, closed with the last service. */
let opening: Promise<Platform> | undefined;
let current: Platform | undefined;
const running = new Set<Hosted>();
const activities = new Set<Activity>();
/** Name of the process's first service. */
let served: string | undefined;
/** Name by which the process's own place was used. */
let placeName: string | undefined;
/** Services that are being started. */
let starting = 0;
let disownProcess: (() => void) | undefined;
/** What logs before there is a platform, and after. */
let spare: Logger | undefined;

/** Says what happens: one line an event, to standard error, as JSON or, on a terminal, for people. */
export const logger: Logger = {
  debug: (message: string, fields?: LogFields) => sink().debug(message, fields),
  info: (message: string, fields?: LogFields) => sink().info(message, fields),
  warn: (message: string, fields?: LogFields) => sink().warn(message, fields),
  error: (message: string, fields?: LogFields) => sink().error(message, fields),
  child: (fields: LogFields) => sink().child(fields),
};

/**
 * Opens what this process has of Micro now instead of with the first service, call or use. `{ profile: 'test' }` keeps everything in memory:
 * for a test of what needs no service.
 */
export async function open(options: ProcessOptions & { readonly name?: string } = {}): Promise<void> {
  await openPlatform(options);
}

/** Undefined while it is not open. */
export function openedPlatform(): Platform | undefined {
  return current;
}

/** `fallback`: the process's name where neither program nor environment has one. */
export async function openPlatform(
  options: ProcessOptions & { readonly name?: string } = {},
  fallback = 'client',
): Promise<Platform> {
  const { name, profile, namespace } = options;
  opening ??= openWith(readEnvironment(undefined, { name, profile, namespace }), fallback);
  return agreeing(await opening, options);
}

async function openWith(environment: Environment, fallback: string): Promise<Platform> {
  try {
    current = await Platform.open(environment, { name: environment.name ?? fallback });
    spare = current.logger;
    return current;
  } catch (error) {
    opening = undefined;
    throw error;
  }
}

/** Runs a service on the process's platform until it is stopped. */
export async function host(
  options: ProcessOptions & { readonly name?: string },
  fallback: string,
  start: (platform: Platform) => Promise<Hosted>,
): Promise<Hosted> {
  // First of all, so that whatever goes wrong from here on is said in one line.
  if (options.signals ?? true) disownProcess ??= ownProcess({ logger, stop: close });
  starting++;
  try {
    const platform = await openPlatform(options, fallback);
    beCalled(options.name ?? platform.environment.name ?? fallback);
    const hosted = await start(platform);
    running.add(hosted);
    tellReady(hosted.address);
    return hosted;
  } catch (error) {
    // Another service may be about to start on the same platform.
    if (running.size === 0 && starting === 1) await close();
    throw error;
  } finally {
    starting--;
  }
}

/** Ends with the service, from now on. Returns the way to undo that. */
export function endWithService(activity: Activity): () => void {
  activities.add(activity);
  return () => void activities.delete(activity);
}

/** Milliseconds in which what has begun may come to its end. */
export function stopGrace(): number {
  return current?.config.stop.grace ?? 10_000;
}

/** The name under which this process keeps what is its own. Once used it stays. */
export function ownName({ environment }: Platform): string {
  return (placeName ??= served ?? environment.name ?? packageOfProgram().name ?? 'micro');
}

/** Stops a service, and with the last one all that the process has open. */
export async function unhost(hosted: Hosted): Promise<void> {
  if (running.size === 1 && running.has(hosted)) return close();
  await hosted.stop();
  running.delete(hosted);
  if (running.size === 0) await close();
}

/**
 * Stops every service of this process in good order and closes every connection. For programs that only call others: they end by
 * themselves, too, but not before idle connections have timed out.
 */
export async function close(): Promise<void> {
  const platform = await opening?.catch(() => undefined);
  const grace = platform?.config.stop.grace ?? 0;
  await Promise.all([
    ...[...running].map((hosted) => hosted.stop()),
    ...[...activities].map((activity) => activity.stop(grace)),
  ]);
  // What was begun in the meantime.
  await Promise.all([...activities].map((activity) => activity.stop(0)));
  running.clear();
  served = undefined;
  placeName = undefined;
  if (opening && platform === current) {
    opening = undefined;
    current = undefined;
  }
  await platform?.close();
  if (running.size > 0 || starting > 0) return;
  disownProcess?.();
  disownProcess = undefined;
}

function beCalled(name: string): void {
  served ??= name;
  if (placeName === undefined || placeName === served) return;
  const used = placeName;
  throw new MicroError(
    'failed_precondition',
    `this process has kept things as ${used} before it began to serve as ${served}: set MICRO_NAME=${served}, serve first, or name the table`,
  );
}

function agreeing(platform: Platform, { profile, namespace }: ProcessOptions): Platform {
  const { environment } = platform;
  if (profile !== undefined && profile !== environment.profile) {
    throw new MicroError(
      'failed_precondition',
      `this process uses profile ${environment.profile} already; a process has one, so not also ${profile}`,
    );
  }
  if (namespace !== undefined && namespace !== environment.namespace) {
    throw new MicroError(
      'failed_precondition',
      `this process is in namespace ${environment.namespace} already; a process has one, so not also ${namespace}`,
    );
  }
  return platform;
}

function sink(): Logger {
  return current?.logger ?? (spare ??= earlyLogger());
}

/** By the environment; where that is not legal, so that it can be said that it is not. */
function earlyLogger(): Logger {
  try {
    const environment = readEnvironment();
    return createLogger({ name: environment.name ?? 'service', ...configOf(environment).log });
  } catch {
    return createLogger({ name: 'service', format: process.stderr.isTTY ? 'pretty' : 'json' });
  }
}
