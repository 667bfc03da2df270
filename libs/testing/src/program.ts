import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type BuildOptions } from 'esbuild';
import { cleanEnvironment, endProcess, workspaceRoot } from './platform.js';
import { until } from './until.js';

/** A process of a test's own making. */
export interface Program extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  /** All that it has written so far, to standard output and error. */
  output(): string;
  /** Waits for the message by which a service tells that it serves; resolves to its `host:port`. */
  ready(): Promise<string>;
  /** How it ended, once it has. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** SIGTERM, and waits for its end. */
  stop(): Promise<void>;
}

/** Bundles a TypeScript program of this workspace into `folder` as apps are bundled: one CommonJS file, so without top-level await. */
export async function compileProgram(source: URL, folder: string): Promise<string> {
  const { programBundle } = (await import(join(workspaceRoot, 'tools/build/bundle.mjs'))) as {
    programBundle(entry: string, outfile: string): BuildOptions;
  };
  const entry = fileURLToPath(source);
  const outfile = join(folder, basename(entry).replace(/\.ts$/, '.cjs'));
  await build(programBundle(entry, outfile));
  return outfile;
}

/** Starts a program with an IPC channel, as a supervisor does, and an environment in which only `env` speaks of Micro. */
export function startProgram(file: string, env: NodeJS.ProcessEnv = {}, args: readonly string[] = []): Program {
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  let output = '';
  let address: string | undefined;
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  child.on('message', (message: { ready?: boolean; address?: string }) => {
    if (message.ready) address = message.address;
  });
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  const stop = () => endProcess(child);
  return {
    child,
    pid: child.pid as number,
    output: () => output,
    ready: () =>
      until(
        `${file} is ready`,
        () => {
          if (child.exitCode !== null) return '';
          return address;
        },
        30_000,
      ).then((found) => {
        if (found === '') throw new Error(`${file} ended with ${child.exitCode} before it was ready:\n${output}`);
        return found;
      }),
    exited,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
