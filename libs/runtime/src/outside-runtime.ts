/** For specs: a runtime in a process of its own, which can be killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { OutsideOptions } from './outside-runtime.main.js';
import type { CreateService, Progress, Service } from './runtime.js';

export interface OutsideRuntime {
  /** The first progress that satisfies the condition; default the last. */
  create(service: CreateService, until?: (progress: Progress) => boolean): Promise<Progress>;
  read(): Promise<readonly Service[]>;
  logs(name: string): Promise<readonly string[]>;
  /** kill -9, or SIGTERM; resolves when it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Builds the program once; gives the way to start it. */
export async function outsideRuntimes(): Promise<{
  start(options: OutsideOptions): Promise<OutsideRuntime>;
  close(): Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'micro-runtime-'));
  const outfile = join(folder, 'main.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('outside-runtime.main.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['@swc/core'],
    tsconfig: fileURLToPath(new URL('../../../tsconfig.base.json', import.meta.url)),
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  return { start: (options) => start(outfile, options), close: () => rm(folder, { recursive: true, force: true }) };
}

async function start(program: string, options: OutsideOptions): Promise<OutsideRuntime> {
  const child = spawn(process.execPath, ['--no-warnings', program, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the runtime has ended');
    return JSON.parse(value as string) as unknown;
  };
  const ask = (request: unknown) => void child.stdin.write(`${JSON.stringify(request)}\n`);
  await next();
  return {
    create: async (create, until = ({ service }) => service !== undefined) => {
      ask({ create });
      for (;;) {
        const progress = (await next()) as Progress;
        if (until(progress)) return progress;
      }
    },
    read: async () => {
      ask({});
      return (await next()) as readonly Service[];
    },
    logs: async (name) => {
      ask({ logs: name });
      return (await next()) as readonly string[];
    },
    end: async (signal) => {
      child.kill(signal);
      await gone;
    },
  };
}
