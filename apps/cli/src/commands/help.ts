import type { Command } from 'commander';
import { builtIn } from '../catalogue.js';
import type { Cli } from '../cli.js';
import { programHelp } from '../program-help.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Shows help of a command, or of a service and its endpoints.')
    .argument('[words...]', 'a command, or a service and an endpoint of it')
    .action(async ([word, ...rest]: string[]) => {
      if (word === undefined) return cli.out.line(programHelp(cli.out.paint));
      const entry = builtIn(word);
      if (entry) {
        const { runBuiltIn } = await import('../built-in.js');
        return void (await runBuiltIn(entry, [...rest, '--help'], cli));
      }
      const { externalProgram, serviceOrUnknown } = await import('../resolve.js');
      const program = externalProgram(word, cli.variables);
      if (program !== undefined) {
        const { runExternal } = await import('../external-program.js');
        return void (await runExternal(program, [...rest, '--help'], cli));
      }
      const { runDynamic } = await import('../dynamic/dynamic-command.js');
      await runDynamic(await serviceOrUnknown(word, cli.variables, cli.connection), [...rest, '--help'], {
        cli,
        assumed: {},
      });
    });
}
