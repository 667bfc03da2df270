import { MicroError } from '@micro/errors';
import type { Lock, Locks } from '@micro/store';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { durationMs } from '../dynamic/time-text.js';
import { runInPlace } from '../external-program.js';
import { Failure } from '../failure.js';
import { withLocks } from '../remote/blocks.js';

interface Options {
  readonly ttl?: string;
  /** False: not at all. */
  readonly wait?: string | false;
  readonly database?: string;
  readonly table?: string;
}

export function define(command: Command, cli: Cli): void {
  command
    .description(
      'Runs a program while it has a lock: nobody else who asks for the lock of that name runs at the same time. The exit code is the program’s. It finds the fencing token in MICRO_LOCK_TOKEN; if the lock is lost, it is ended.',
    )
    .usage('[options] <name> -- <command...>')
    .argument('<name>', 'of the lock')
    .argument('<command...>', 'program and arguments, behind --')
    .option('--ttl <DURATION>', 'after which the lock of one that died is free (default 30s)')
    .option('--wait <DURATION>', 'how long to wait for it, like 1m (default until it is had)')
    .option('--no-wait', 'give up at once if somebody else has it')
    .option('--database <NAME>', 'default: the namespace')
    .option('--table <NAME>', 'of a service, its name (default micro)')
    .action((name: string, words: readonly string[], options: Options) =>
      withLocks(cli, async (locks) => {
        const ttl = durationMs(options.ttl ?? '30s', '--ttl');
        const lock = await acquired(cli, locks, { name, ttl, options });
        cli.exitCode = await runUnder(cli, lock, { words, ttl });
      }),
    );
}

async function acquired(
  cli: Cli,
  locks: Locks,
  { name, ttl, options }: { readonly name: string; readonly ttl: number; readonly options: Options },
): Promise<Lock> {
  const { database = cli.settings.namespace, table } = options;
  const wait =
    typeof options.wait === 'string' ? durationMs(options.wait, '--wait') : options.wait === false ? 0 : undefined;
  try {
    return await locks.acquire(name, { database, table, ttl, wait });
  } catch (error) {
    const { code, detail } = MicroError.from(error);
    if (code === 'aborted') throw new Failure(detail, { cause: error });
    throw error;
  }
}

async function runUnder(
  cli: Cli,
  lock: Lock,
  { words, ttl }: { readonly words: readonly string[]; readonly ttl: number },
): Promise<number> {
  const [program = '', ...args] = words;
  const env = { ...cli.variables, MICRO_LOCK_TOKEN: String(lock.token) };
  // It is lost when a tenth of ttl is left: by then the program is gone.
  const code = await runInPlace(program, args, { env, ending: { signal: lock.signal, grace: ttl / 10 } });
  if (!lock.held) throw new Failure(MicroError.from(lock.signal.reason).detail, { cause: lock.signal.reason });
  await lock.release().catch(() => cli.out.note(`the lock could not be released: it is free in ${ttl / 1_000} s`));
  return code;
}
