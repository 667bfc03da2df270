import { Command, CommanderError, Option } from 'commander';
import type { CatalogueEntry } from './catalogue.js';
import type { Cli } from './cli.js';
import { exitCodes, Failure } from './failure.js';
import { type GlobalFlags, globalFlags } from './global-flags.js';
import { didYouMean } from './suggest.js';

/** Runs a built-in command. Its file is read only now. */
export async function runBuiltIn(entry: CatalogueEntry, args: readonly string[], cli: Cli): Promise<number> {
  const program = new Command('micro');
  const command = program.command(entry.name).summary(entry.summary).description(entry.summary);
  configure(program, cli);
  configure(command, cli);
  const { define } = await entry.load();
  define(command, cli);
  for (const one of allOf(command)) prepare(one, cli);
  try {
    await program.parseAsync([entry.name, ...args], { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return exitCodes.ok;
    throw usageFailure(error, entry, args);
  }
}

function configure(command: Command, cli: Cli): void {
  command
    .exitOverride()
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => void cli.streams.stdout.write(text),
      writeErr: () => undefined,
      getOutHelpWidth: () => cli.streams.stdout.columns || 100,
    });
}

function allOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allOf)];
}

/** Every command takes the global flags, but for those whose name it uses itself: `run --env K=V`, `logs -n 20`. */
function prepare(command: Command, cli: Cli): void {
  if (command.parent?.parent) configure(command, cli);
  for (const flag of globalFlags) {
    const long = `--${flag.name}`;
    if (command.options.some((option) => option.long === long)) continue;
    const short =
      flag.short && !command.options.some((option) => option.short === `-${flag.short}`) ? `-${flag.short}, ` : '';
    command.addOption(new Option(`${short}${long}${flag.value ? ` <${flag.value}>` : ''}`, flag.help).hideHelp());
    command.on(`option:${flag.name}`, (value: string | null) =>
      cli.addFlags({ [flag.key]: flag.value ? value : true } as GlobalFlags),
    );
  }
  command.addHelpText('after', '\nGlobal flags: see micro --help.');
}

/** Commander's message as one line, with the way to help. */
function usageFailure(
  { message, code }: CommanderError,
  { name, subcommands = [] }: CatalogueEntry,
  args: readonly string[],
): Failure {
  const line = message
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
  const word = args.find((arg) => !arg.startsWith('-')) ?? '';
  const known = subcommands.includes(word);
  const wrongWord = /^commander\.(excessArguments|unknownCommand)$/.test(code) && subcommands.length > 0 && !known;
  const shown =
    code === 'commander.help'
      ? `micro ${name} needs one more word: ${subcommands.join(', ')}`
      : wrongWord
        ? `micro ${name} has no command "${word}"${didYouMean(word, subcommands)} (${subcommands.join(', ')})`
        : line;
  return new Failure(`${shown} (usage: micro ${known ? `${name} ${word}` : name} --help)`, {
    exitCode: exitCodes.failed,
  });
}
