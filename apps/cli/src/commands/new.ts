import type { Command } from 'commander';
import { type Cli, cliVersion } from '../cli.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Makes a new service in a folder of its own, which builds and runs as it is.')
    .argument('<name>', 'name of the service, or a path that ends in it: letters, digits and hyphens')
    .action(async (path: string) => {
      const { scaffold } = await import('../scaffold/scaffold.js');
      const made = await scaffold(path, cliVersion());
      const next = [
        ...(made.installed ? [] : [`cd ${path} && npm install && cd -`]),
        `micro run ${path}`,
        `micro ${made.name} --name=Alice`,
      ];
      const text = [
        `made ${made.folder}:`,
        ...made.files.map((file) => `  ${file}`),
        '',
        'Next:',
        ...next.map((line) => `  ${line}`),
      ];
      await cli.out.value({ name: made.name, folder: made.folder, files: [...made.files] }, text.join('\n'));
    });
}
