import { type Command, Option } from 'commander';
import type { Cli } from '../cli.js';
import { addressFlag, platform } from '../server/platform.js';

export function define(command: Command, cli: Cli): void {
  command.description('Starts every part of the platform as a process of its own, and keeps it running until ctrl-c.');
  for (const process of platform) {
    command.addOption(
      new Option(
        `${addressFlag(process)} <HOST:PORT>`,
        `where ${process.name} listens (default 127.0.0.1:${process.port}) [${process.variable}]`,
      ),
    );
  }
  command.option('-d, --detach', 'run in the background; see server status, server stop');
  command.action(async (options: Record<string, string | boolean | undefined>) => {
    const { runServer } = await import('../server/run-server.js');
    const flags = platform.map(({ name }) => [name, options[`${name}Address`] as string | undefined]);
    await runServer(cli, {
      addresses: Object.fromEntries(flags) as Record<string, string | undefined>,
      detach: options.detach === true,
    });
  });
  command
    .command('stop')
    .description('stop the server that runs on this data directory, and wait until it is gone')
    .action(async () => {
      const { stopServer } = await import('../server/background.js');
      await stopServer(cli);
    });
  command
    .command('status')
    .description('show the processes of the server that runs on this data directory')
    .action(async () => {
      const { showServer } = await import('../server/background.js');
      await showServer(cli);
    });
}
