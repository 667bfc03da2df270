import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MicroError } from '@micro/errors';
import type { Source } from './source.js';
import type { Exit } from './process-spec.js';
import { SupervisedProcess } from './supervised.js';

export interface InstallOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly step?: (text: string) => void;
  /** Told what the package manager says. */
  readonly line?: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly signal?: AbortSignal;
}

/** By the lock file that the package manager writes; without one npm. */
const managers: readonly (readonly [lockFile: string, command: readonly string[]])[] = [
  ['pnpm-lock.yaml', ['pnpm', 'install']],
  ['yarn.lock', ['yarn', 'install']],
  ['package-lock.json', ['npm', 'install', '--no-audit', '--no-fund']],
];
const npm = ['npm', 'install', '--no-audit', '--no-fund'];

/**
 * Installs the dependencies of a source if one is not found from it. MicroError `failed_precondition` with what the package manager said, if it
 * fails or leaves one missing.
 */
export async function installDependencies(source: Source, options: InstallOptions): Promise<void> {
  if (missing(source).length === 0) return;
  const command = managers.find(([lockFile]) => existsSync(join(source.folder, lockFile)))?.[1] ?? npm;
  options.step?.(`installing dependencies: ${command.slice(0, 2).join(' ')}`);
  const said: string[] = [];
  const exit = await runToEnd(command, source.folder, {
    ...options,
    line: (stream, text) => {
      said.push(text);
      if (said.length > 100) said.shift();
      options.line?.(stream, text);
    },
  });
  options.signal?.throwIfAborted();
  const what = `${command.slice(0, 2).join(' ')} in ${source.folder}`;
  if (exit.code !== 0) throw failed(`${what} failed\n${said.join('\n')}`);
  const still = missing(source);
  if (still.length > 0) throw failed(`${what} did not install ${still.join(', ')}\n${said.join('\n')}`);
}

/** Dependencies that Node would not find from the source. */
function missing({ folder, package: { dependencies = {} } }: Source): string[] {
  return Object.keys(dependencies).filter((name) => !isInstalled(folder, name));
}

function isInstalled(folder: string, name: string): boolean {
  if (existsSync(join(folder, 'node_modules', name, 'package.json'))) return true;
  const parent = dirname(folder);
  return parent !== folder && isInstalled(parent, name);
}

function runToEnd(command: readonly string[], cwd: string, { env, line, signal }: InstallOptions): Promise<Exit> {
  return new Promise((resolve) => {
    const process = new SupervisedProcess({
      name: command.join(' '),
      command,
      cwd,
      env,
      output: ({ stream, text }) => line?.(stream, text),
      restart: { when: () => false },
      grace: 2_000,
      onExit: (ended, exit) => {
        if (exit.code !== null && exit.code < 0) line?.('stderr', ended.state.message);
        resolve(exit);
      },
    });
    signal?.addEventListener('abort', () => void process.stop(), { once: true });
    process.start().catch(() => undefined);
  });
}

function failed(detail: string): MicroError {
  return new MicroError('failed_precondition', detail, { id: 'runtime' });
}
