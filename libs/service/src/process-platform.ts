import { MicroError } from '@micro/errors';
import { type Hosted, ownProcess, Platform, type ProfileName, readEnvironment, tellReady } from '@micro/platform';

/** What the program decides instead of the environment. */
export interface ProcessOptions {
  /** Default: MICRO_PROFILE, else `local`. `test` keeps everything within the process. */
  readonly profile?: ProfileName;
  /** Default: MICRO_NAMESPACE, else `micro`. */
  readonly namespace?: string;
  /** Whether to stop in good order on SIGTERM and SIGINT, and to log what nobody caught. Default true. */
  readonly signals?: boolean;
}

/** The one platform of this process: opened with the first service or call, closed with the last service. */
let opening: Promise<Platform> | undefined;
let current: Platform | undefined;
const running = new Set<Hosted>();
let disownProcess: (() => void) | undefined;

/** Undefined while it is not open. */
export function openedPlatform(): Platform | undefined {
  return current;
}

export function openPlatform(name?: string, options: ProcessOptions = {}): Promise<Platform> {
  if (!opening) {
    const { profile, namespace } = options;
    const environment = readEnvironment(undefined, { profile, namespace });
    opening = Platform.open(environment, { name: name ?? environment.name ?? 'client' }).then(
      (platform) => (current = platform),
      (error) => {
        opening = undefined;
        throw error;
      },
    );
  }
  return opening.then((platform) => agreeing(platform, options));
}

/** Runs a service on the process's platform until it is stopped. */
export async function host(name: string, options: ProcessOptions, start: (platform: Platform) => Promise<Hosted>): Promise<Hosted> {
  const platform = await openPlatform(name, options);
  if (options.signals ?? true) disownProcess ??= ownProcess({ logger: platform.logger, stop: close });
  try {
    const hosted = await start(platform);
    running.add(hosted);
    tellReady(hosted.address);
    return hosted;
  } catch (error) {
    if (running.size === 0) await close();
    throw error;
  }
}

/** Stops a service, and with the last one all that the process has open. */
export async function unhost(hosted: Hosted): Promise<void> {
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
  await Promise.all([...running].map((hosted) => hosted.stop()));
  running.clear();
  if (opening && platform === current) {
    opening = undefined;
    current = undefined;
  }
  await platform?.close();
}

function agreeing(platform: Platform, { profile, namespace }: ProcessOptions): Platform {
  const { environment } = platform;
  if (profile !== undefined && profile !== environment.profile) {
    throw new MicroError('failed_precondition', `this process uses profile ${environment.profile} already; a process has one, so not also ${profile}`);
  }
  if (namespace !== undefined && namespace !== environment.namespace) {
    throw new MicroError('failed_precondition', `this process is in namespace ${environment.namespace} already; a process has one, so not also ${namespace}`);
  }
  return platform;
}
