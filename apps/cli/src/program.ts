import { Cli, type CliStreams } from './cli.js';
import { exitCodes, Failure, failureOf } from './failure.js';
import { takeLeadingFlags } from './global-flags.js';
import { paint, wantsColor } from './output/paint.js';
import { resolve, type Resolution } from './resolve.js';
import type { Variables } from './settings.js';

/** Runs one command line, without the program's own name, to its exit code. Whatever goes wrong is told in one line on standard error. */
export async function runProgram(args: readonly string[], variables: Variables, streams: CliStreams): Promise<number> {
  const cli = new Cli(variables, streams);
  try {
    return await dispatch(args, cli);
  } catch (error) {
    await tell(error, cli);
    return failureOf(error).exitCode;
  } finally {
    await cli.close();
  }
}

async function dispatch(args: readonly string[], cli: Cli): Promise<number> {
  if (args[0] === '__complete') {
    const { complete } = await import('./complete.js');
    for (const word of await complete(args.slice(1), cli)) cli.out.line(word);
    return exitCodes.ok;
  }
  const { flags, rest, help, version } = takeLeadingFlags(args);
  cli.addFlags(flags);
  const [word, ...others] = version ? ['version'] : rest;
  if (word === undefined || word === '') {
    const { programHelp } = await import('./program-help.js');
    cli.out.line(programHelp(cli.out.paint));
    return help || rest.length === 0 ? exitCodes.ok : exitCodes.failed;
  }
  const resolution = await resolve(word, cli.variables, () => cli.connection);
  return run(resolution, help ? [...others, '--help'] : others, cli);
}

async function run(resolution: Resolution, args: readonly string[], cli: Cli): Promise<number> {
  switch (resolution.kind) {
    case 'builtIn': {
      const { runBuiltIn } = await import('./built-in.js');
      return runBuiltIn(resolution.entry, args, cli);
    }
    case 'program': {
      const { runExternal } = await import('./external-program.js');
      return runExternal(resolution.path, args, cli);
    }
    case 'service': {
      const { runDynamic } = await import('./dynamic/dynamic-command.js');
      await runDynamic(resolution.service, args, cli);
      return exitCodes.ok;
    }
  }
}

/** `error: what is wrong and what to do`; with --verbose also what caused it. */
async function tell(error: unknown, cli: Cli): Promise<void> {
  const failure = failureOf(error);
  const { stderr } = cli.streams;
  const colors = paint(wantsColor(stderr, cli.variables));
  const [first, ...more] = failure.message.split('\n');
  stderr.write([`${colors.red('error:')} ${first}`, ...more.map((line) => `       ${line}`), ''].join('\n'));
  if (verbose(cli)) {
    const { causes } = await import('./output/causes.js');
    stderr.write(`${colors.dim(causes(error))}\n`);
  }
}

/** Also where the settings themselves are what is wrong. */
function verbose(cli: Cli): boolean {
  try {
    return cli.settings.verbose;
  } catch (error) {
    return error instanceof Failure && cli.flags.verbose === true;
  }
}

