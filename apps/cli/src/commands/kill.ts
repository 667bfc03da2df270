import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { RuntimeConnection } from '../remote/runtime.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Stops services: each finishes what it has begun, and is forgotten by the runtime.')
    .argument('<service...>', 'names, or folders that they run from')
    .action(async (words: string[]) => {
      const runtime = new RuntimeConnection(cli);
      const names = await Promise.all([...new Set(words)].map((word) => runtime.nameOf(word)));
      const progress = await cli.out.progress(`stopping ${names.join(', ')}`);
      const results = await Promise.allSettled(names.map((name) => runtime.delete(name)));
      const failed = results.find((result) => result.status === 'rejected');
      const stopped = names.filter((_, index) => results[index]?.status === 'fulfilled');
      if (stopped.length > 0) progress.succeed(`stopped ${stopped.join(', ')}`);
      else progress.stop();
      if (failed) throw failed.reason;
      if (!cli.out.forPeople)
        await cli.out.value(
          stopped.map((name) => ({ name, status: 'stopped' })),
          '',
        );
    });
}
