import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { contentData, contentText } from '../output/content.js';
import { withBroker } from '../remote/blocks.js';
import { untilInterrupted } from '../remote/interrupt.js';
import { count } from '../remote/run-options.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Prints the messages of a topic as they come, until ctrl-c.')
    .argument('<topic>', 'its name')
    .option('--queue <NAME>', 'share the messages with all who name the same queue (default: every message comes)')
    .option('-c, --count <NUMBER>', 'end after so many')
    .action((topic: string, options: { queue?: string; count?: string }) =>
      withBroker(cli, async (broker) => {
        const most =
          options.count === undefined ? Number.POSITIVE_INFINITY : count(options.count, '--count', 1_000_000_000);
        await untilInterrupted(async (signal) => {
          const { namespace } = cli.settings;
          await using subscription = await broker.subscribe(topic, { queue: options.queue, namespace, signal });
          cli.out.note(`subscribed to ${topic}`);
          let came = 0;
          for await (const { body, headers } of subscription) {
            if (cli.out.forPeople || cli.out.format === 'raw') cli.out.line(contentText(body));
            else await cli.out.streamed({ topic, headers: { ...headers }, body: contentData(body) });
            if (++came >= most) return;
          }
        });
      }),
    );
}
