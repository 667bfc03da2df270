import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Cli } from './cli.js';
import { Failure } from './failure.js';
import { asVariables } from './settings.js';

/** Runs `micro-WORD` in place of this program: global flags reach it as variables. */
export function runExternal(path: string, args: readonly string[], cli: Cli): Promise<number> {
  return runInPlace(path, args, { env: { ...cli.variables, ...asVariables(cli.flags) } });
}

export interface InPlaceOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Ends it: SIGTERM, and SIGKILL so many milliseconds later. */
  readonly ending?: { readonly signal: AbortSignal; readonly grace: number };
}

/** Runs a program in place of this one: same terminal, same signals, its exit code. */
export function runInPlace(path: string, args: readonly string[], { env, ending }: InPlaceOptions): Promise<number> {
  const child = spawn(path, args, { stdio: 'inherit', env });
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  // A ctrl-c in the terminal reaches the child by itself; this program only waits for what it does with it.
  const wait = () => undefined;
  let killing: NodeJS.Timeout | undefined;
  const end = () => {
    child.kill('SIGTERM');
    killing = setTimeout(() => child.kill('SIGKILL'), ending?.grace);
  };
  process.on('SIGINT', wait).on('SIGTERM', pass).on('SIGHUP', pass);
  ending?.signal.addEventListener('abort', end, { once: true });
  if (ending?.signal.aborted) end();
  return new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new Failure(`cannot run ${path}: ${error.message}`, { cause: error })));
    child.once('exit', (code, signal) => resolve(signal ? 128 + constants.signals[signal] : (code ?? 1)));
  }).finally(() => {
    clearTimeout(killing);
    ending?.signal.removeEventListener('abort', end);
    process.off('SIGINT', wait).off('SIGTERM', pass).off('SIGHUP', pass);
  });
}
