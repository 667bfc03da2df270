import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePorts } from './ports.js';
import { type BackingServers, startBackingServers } from './servers/backing.js';
import { temporaryFolder } from './temporary.js';
import { until } from './until.js';

export const workspaceRoot = fileURLToPath(new URL('../../..', import.meta.url));

/** Names of the platform's processes, in the order in which they start. */
export const platformServices = ['registry', 'broker', 'store', 'runtime', 'proxy', 'api'] as const;
export type PlatformService = (typeof platformServices)[number];

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `micro server` as its users run it, as real processes on free ports, with a home and an mDNS port of its own. */
export interface TestPlatform extends AsyncDisposable {
  readonly home: string;
  /** `host:port` of each process. */
  readonly address: Readonly<Record<PlatformService, string>>;
  /** What makes another process part of this platform. */
  readonly env: NodeJS.ProcessEnv;
  readonly server: ChildProcess;
  /** What `micro server` has written so far. */
  output(): string;
  /** Runs `micro` with these arguments to its end. */
  micro(...args: string[]): Promise<Ran>;
  /** The process that listens on a service's port. */
  pid(service: PlatformService): number;
  stop(): Promise<void>;
}

export interface TestPlatformOptions {
  /** The `micro` to run. Default: the workspace's own. */
  readonly bin?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Keeps everything in these, which stay. Default: servers of its own if MICRO_TEST_PROFILE is `staging`, else none: as on a laptop. */
  readonly servers?: BackingServers;
}

export async function startPlatform(options: TestPlatformOptions = {}): Promise<TestPlatform> {
  const bin = options.bin ?? `${workspaceRoot}apps/cli/bin/micro.mjs`;
  const own =
    options.servers || process.env['MICRO_TEST_PROFILE'] !== 'staging' ? undefined : await startBackingServers();
  const folder = await temporaryFolder();
  const ports = await freePorts(platformServices.length + 1);
  const address = Object.fromEntries(
    platformServices.map((name, index) => [name, `127.0.0.1:${ports[index]}`]),
  ) as Record<PlatformService, string>;
  const env = {
    ...cleanEnvironment(),
    MICRO_HOME: folder.path,
    MICRO_MDNS_PORT: String(ports[platformServices.length]),
    ...Object.fromEntries(platformServices.map((name) => [`MICRO_${name.toUpperCase()}_ADDRESS`, address[name]])),
    NO_COLOR: '1',
    ...(options.servers ?? own)?.env,
    ...options.env,
  };
  const server = spawn(process.execPath, [bin, 'server'], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (chunk) => (output += chunk));
  const stop = async () => {
    await endProcess(server);
    await folder[Symbol.asyncDispose]();
    await own?.[Symbol.asyncDispose]();
  };
  try {
    await until(
      `micro server is healthy; it wrote:\n${output}`,
      async () => {
        if (server.exitCode !== null) throw new Error(`micro server ended with ${server.exitCode}:\n${output}`);
        return healthy(Object.values(address));
      },
      60_000,
    );
  } catch (error) {
    await stop();
    throw new Error(`micro server did not become healthy:\n${output}`, { cause: error });
  }
  return {
    home: folder.path,
    address,
    env,
    server,
    output: () => output,
    micro: (...args) => run(process.execPath, [bin, ...args], { env }),
    pid: (service) => listeningProcess(Number(address[service].split(':')[1])),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Whether everything at these addresses answers that it is ready. */
export async function healthy(addresses: readonly string[]): Promise<boolean> {
  const answers = await Promise.all(
    addresses.map((one) =>
      fetch(`http://${one}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    ),
  );
  return answers.every(Boolean);
}

/** Runs a program to its end. */
export function run(
  file: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; input?: string } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...args], {
      env: options.env ?? process.env,
      cwd: options.cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** SIGTERM, and SIGKILL to its whole group if it has not ended within ten seconds. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const { pid } = child;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => killGroup(pid), 10_000);
  await exited;
  clearTimeout(timer);
}

/** The process that listens on a TCP port of this machine. Linux only: read from /proc. */
export function listeningProcess(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hex}`) && fields[3] === '0A')
    .map((fields) => `socket:[${fields[9]}]`);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (openFiles(pid).some((file) => inodes.includes(file))) return Number(pid);
  }
  throw new Error(`nothing listens on port ${port}`);
}

/** The environment of this process without what would make a child part of some other Micro. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('MICRO_') && !name.startsWith('VITEST')),
  );
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone in the meantime.
  }
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlink(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

function readlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
