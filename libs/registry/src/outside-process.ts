/** For specs: a registration that lives in a process of its own, which can be killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type OutputFile, type Plugin } from 'esbuild';
import type { OutsideConfig, Registrations } from './outside-process.main.js';

export interface OutsideProcess {
  readonly pid: number;
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends in good order. */
  stop(): Promise<void>;
}

/** Starts a process that registers; resolves once it has. */
export async function outsideProcess(config: OutsideConfig, registrations: Registrations): Promise<OutsideProcess> {
  const program = await (bundled ??= bundle());
  const folder = await mkdtemp(join(tmpdir(), 'micro-registry-'));
  const outfile = join(folder, 'main.mjs');
  await writeFile(outfile, program);
  const child = spawn(process.execPath, ['--no-warnings', outfile], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit').finally(() => rm(folder, { recursive: true, force: true }));
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null) child.kill(signal);
    await gone;
  };
  child.stdin.end(JSON.stringify([config, registrations], asText));
  await registered(child);
  return { pid: child.pid as number, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

let bundled: Promise<Uint8Array> | undefined;

/** etcd3 reads its .proto files from the folder that it is installed in. */
const etcdInstalled: Plugin = {
  name: 'etcd-installed',
  setup({ onResolve }) {
    const path = createRequire(import.meta.url).resolve('etcd3');
    onResolve({ filter: /^etcd3$/ }, () => ({ path, external: true }));
  },
};

async function bundle(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('outside-process.main.ts', import.meta.url))],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    tsconfig: fileURLToPath(new URL('../../../tsconfig.base.json', import.meta.url)),
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
    plugins: [etcdInstalled],
  });
  return (outputFiles[0] as OutputFile).contents;
}

async function registered(child: ChildProcess): Promise<void> {
  for await (const line of child.stdout ?? []) if (String(line).includes('registered')) return;
  throw new Error('the process ended before it had registered');
}

function asText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value;
}

/** A UDP port that nobody uses: a world of its own for mDNS. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}
