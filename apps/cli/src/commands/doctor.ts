import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { Failure } from '../failure.js';
import { checks, type Finding } from '../doctor/checks.js';

export function define(command: Command, cli: Cli): void {
  command
    .description(
      'Checks ports, multicast, data directory, versions and the server, and says what to do about what is not right.',
    )
    .action(async () => {
      const findings = (await Promise.all(checks.map((check) => check(cli)))).flat();
      await cli.out.list<Finding>({
        columns: [
          {
            title: '',
            text: ({ result }, paint) =>
              ({ ok: paint.green('✔'), warning: paint.yellow('!'), failed: paint.red('✘') })[result],
          },
          { title: 'check', text: ({ name }) => name },
          { title: 'finding', text: ({ finding, advice }) => (advice ? `${finding}\n→ ${advice}` : finding) },
        ],
        rows: findings,
        data: (finding) => ({ ...finding }),
        empty: '',
      });
      const failed = findings.filter(({ result }) => result === 'failed');
      if (failed.length > 0) throw new Failure(`${failed.map(({ name }) => name).join(', ')}: not right, see above`);
    });
}
