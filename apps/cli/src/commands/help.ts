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
      const [{ resolve }, { runDynamic }] = await Promise.all([import('../resolve.js'), import('../dynamic/dynamic-command.js')]);
      const resolution = await resolve(word, cli.variables, () => cli.connection);
      if (resolution.kind === 'service') return runDynamic(resolution.service, [...rest, '--help'], cli);
      if (resolution.kind !== 'program') return;
      const { runExternal } = await import('../external-program.js');
      await runExternal(resolution.path, [...rest, '--help'], cli);
    });
}
