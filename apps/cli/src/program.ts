import { builtIn } from './catalogue.js';
import { Cli, type CliStreams } from './cli.js';
import { exitCodes, Failure, failureOf } from './failure.js';
import { connectionFlags, takeLeadingFlags } from './global-flags.js';
import { paint, wantsColor } from './output/paint.js';
import { externalProgram, serviceOrUnknown } from './resolve.js';
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
  return runWord(word, help ? [...others, '--help'] : others, cli);
}

async function runWord(word: string, args: readonly string[], cli: Cli): Promise<number> {
  const entry = builtIn(word);
  if (entry) {
    const { runBuiltIn } = await import('./built-in.js');
    return runBuiltIn(entry, args, cli);
  }
  const program = externalProgram(word, cli.variables);
  if (program !== undefined) {
    const { runExternal } = await import('./external-program.js');
    return runExternal(program, args, cli);
  }
  const { runDynamic } = await import('./dynamic/dynamic-command.js');
  // Flags after a service's name may say where to look for it, or be fields of its request. Only its schema tells: it is looked for as if they
  // were flags, and, where they turn out to be fields, again without them.
  const { flags } = cli;
  const assumed = connectionFlags(args);
  cli.addFlags(assumed);
  if (await runDynamic(await serviceOrUnknown(word, cli.variables, cli.connection), args, { cli, assumed }))
    return exitCodes.ok;
  cli.setFlags(flags);
  await runDynamic(await serviceOrUnknown(word, cli.variables, cli.connection), args, { cli, assumed: {} });
  return exitCodes.ok;
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
