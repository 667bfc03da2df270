import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { endLeftovers, processIdentity, readyz, SupervisedProcess, type OutputLine } from '@micro/runtime';
import { makeHome, underLock } from '../environment/locked-file.js';
import { Failure, failureOf } from '../failure.js';
import type { Variables } from '../settings.js';
import { type Addresses, checkFree } from './addresses.js';
import { platform, type PlatformProcess } from './platform.js';
import {
  removeServerFile,
  runningServer,
  type ServerFile,
  serverFile,
  type ServerProcess,
  writeServerFile,
} from './server-file.js';

export interface ServerOptions {
  readonly home: string;
  readonly version: string;
  readonly addresses: Addresses;
  /** Folder of the processes' bundles: `<name>/main.cjs`. */
  readonly bundles: string;
  /** Environment that the processes get, but for what the server sets itself. */
  readonly variables: Variables;
  /** Told each line that a process writes, and what the server itself has to say. */
  readonly onLine: (name: string, line: OutputLine) => void;
}

/** Restarts are quick, because the whole platform is to be whole again within seconds; a process that cannot start tries less and less often. */
const restart = { minDelay: 100, maxDelay: 5_000, stable: 10_000 } as const;

/** The platform as processes: starts them, keeps them running, stops them. One per data directory. */
export class Server {
  readonly #options: ServerOptions;
  readonly #processes: readonly SupervisedProcess[];
  readonly #startedMs = Date.now();
  readonly #identity = processIdentity(process.pid) ?? '';
  /** Whether the server's file is this server's. */
  #recorded = false;
  #stopping: Promise<void> | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#processes = platform.map((one) => this.#supervised(one));
  }

  /**
   * Starts everything at once and resolves when all are healthy. Failure if a server runs on this data directory or an address is taken, both
   * before anything is started, or if a process does not come up; then nothing is left running.
   */
  async start(): Promise<void> {
    const { home, bundles, addresses } = this.#options;
    checkBundles(bundles);
    makeHome(home);
    await underLock(serverFile(home), async () => {
      refuseSecond(home);
      await checkFree(addresses);
      this.#recorded = true;
      this.#record();
    });
    try {
      if (this.#stopping) throw new Failure('stopped before it had started');
      await Promise.all(this.#processes.map((one) => one.start()));
    } catch (error) {
      await this.stop();
      throw failureOf(error);
    }
  }

  get state(): ServerFile {
    const processes = this.#processes.map(({ spec, state }): ServerProcess => {
      const { status, message, pid, restarts, startedMs } = state;
      return {
        name: spec.name,
        address: this.#options.addresses[spec.name]!,
        status,
        message,
        pid,
        restarts,
        startedMs,
      };
    });
    return {
      pid: process.pid,
      identity: this.#identity,
      startedMs: this.#startedMs,
      version: this.#options.version,
      processes,
    };
  }

  /** Stops each process once those that need it are gone; resolves when none is left. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop().finally(() => {
      if (this.#recorded) removeServerFile(this.#options.home);
      this.#recorded = false;
    });
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const stopped = new Map<string, Promise<void>>();
    const stop = (name: string): Promise<void> => {
      const dependents = platform.filter(({ dependsOn }) => dependsOn.includes(name));
      const known =
        stopped.get(name) ??
        Promise.all(dependents.map((one) => stop(one.name))).then(() => this.#process(name).stop());
      stopped.set(name, known);
      return known;
    };
    await Promise.all(platform.map(({ name }) => stop(name)));
    // A runtime that was down at that moment could not stop the users' services.
    await endLeftovers(this.#options.home);
  }

  #process(name: string): SupervisedProcess {
    return this.#processes.find(({ spec }) => spec.name === name)!;
  }

  #supervised({ name }: PlatformProcess): SupervisedProcess {
    const { addresses, bundles, variables, onLine } = this.#options;
    const address = addresses[name]!;
    return new SupervisedProcess({
      name,
      command: [process.execPath, ...young(name), join(bundles, name, 'main.cjs')],
      cwd: this.#options.home,
      env: processVariables(this.#options, address, variables),
      output: (line) => onLine(name, line),
      ipc: true,
      ready: readyz(address),
      restart,
      onChange: () => this.#record(),
      onExit: ({ state }, { code, signal }) => {
        if (this.#stopping) return;
        const how = signal ? `was ended by ${signal}` : `exited with code ${code}`;
        onLine(name, { stream: 'stderr', text: `${name} ${how}; starting it again (${state.restarts + 1})` });
      },
    });
  }

  /** Keeps the file that other commands read as true as can be; a full disk must not stop the platform. */
  #record(): void {
    if (!this.#recorded) return;
    try {
      writeServerFile(this.#options.home, this.state);
    } catch (error) {
      this.#options.onLine('server', {
        stream: 'stderr',
        text: `cannot write ${serverFile(this.#options.home)}: ${(error as Error).message}`,
      });
    }
  }
}

/** What a person set for calls of their own does not concern the platform's processes. */
const notInherited = [
  'MICRO_NAMESPACE',
  'MICRO_NAME',
  'MICRO_NODE_ID',
  'MICRO_ENV',
  'MICRO_OUTPUT',
  'MICRO_VERBOSE',
  'MICRO_SERVER_BACKGROUND',
  'NODE_CHANNEL_FD',
];

/** What processes of the platform get of the environment of whoever starts them. */
export function inherited(variables: Variables): Variables {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !notInherited.includes(name)));
}

function processVariables(
  { home, version, addresses }: ServerOptions,
  address: string,
  variables: Variables,
): Record<string, string | undefined> {
  return {
    ...inherited(variables),
    MICRO_PROFILE: variables.MICRO_PROFILE || 'local',
    MICRO_LOG_FORMAT: variables.MICRO_LOG_FORMAT || 'pretty',
    ...Object.fromEntries(platform.map(({ name, variable }) => [variable, addresses[name]])),
    MICRO_HOME: home,
    MICRO_VERSION: version,
    MICRO_ADDRESS: address,
  };
}

function refuseSecond(home: string): void {
  const running = runningServer(home);
  if (!running || processIdentity(running.pid) !== running.identity) return;
  throw new Failure(
    `micro server already runs on ${home} as process ${running.pid}: stop it with \`micro server stop\`, or use another data directory (MICRO_HOME)`,
  );
}

function checkBundles(bundles: string): void {
  const missing = platform.filter(({ name }) => !existsSync(join(bundles, name, 'main.cjs'))).map(({ name }) => name);
  if (missing.length > 0)
    throw new Failure(`${missing.join(', ')} not found in ${bundles}: build with \`npx nx build cli\``);
}

/**
 * V8 lets the part of its heap where objects begin grow to 32 MiB. That speeds up what every call goes through; the others do as well with a
 * quarter of it.
 */
function young(name: string): string[] {
  return name === 'api' || name === 'proxy' ? [] : ['--max-semi-space-size=4'];
}
