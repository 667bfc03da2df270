import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Cli } from './cli.js';
import { Failure } from './failure.js';
import { asVariables } from './settings.js';

/** Runs `micro-WORD` in place of this program: same terminal, same signals, its exit code; global flags reach it as variables. */
export function runExternal(path: string, args: readonly string[], cli: Cli): Promise<number> {
  const child = spawn(path, args, {
    stdio: 'inherit',
    env: { ...cli.variables, ...asVariables(cli.flags) } as NodeJS.ProcessEnv,
  });
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  // A ctrl-c in the terminal reaches the child by itself; this program only waits for what it does with it.
  const wait = () => undefined;
  process.on('SIGINT', wait).on('SIGTERM', pass).on('SIGHUP', pass);
  return new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new Failure(`cannot run ${path}: ${error.message}`, { cause: error })));
    child.once('exit', (code, signal) => resolve(signal ? 128 + constants.signals[signal] : (code ?? 1)));
  }).finally(() => {
    process.off('SIGINT', wait).off('SIGTERM', pass).off('SIGHUP', pass);
  });
}
