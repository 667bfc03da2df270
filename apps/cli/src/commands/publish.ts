import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { withBroker } from '../remote/blocks.js';
import { collect, pairs } from '../remote/call-options.js';
import { jsonBodies } from '../remote/json-bodies.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Publishes a message to whoever is subscribed to a topic at the moment.')
    .argument('<topic>', 'its name')
    .argument('[message]', 'JSON, @file; or, of standard input, each line')
    .option('--header <KEY=VALUE>', 'sent along; repeat for more', collect)
    .action((topic: string, message: string | undefined, options: { header?: string[] }) =>
      withBroker(cli, async (broker) => {
        const headers = { 'content-type': 'application/json', ...pairs(options.header, '--header') };
        const { namespace } = cli.settings;
        let sent = 0;
        for await (const body of jsonBodies(message, cli.streams.stdin)) {
          await broker.publish(topic, { body, headers }, { namespace });
          sent++;
        }
        cli.out.note(`published ${sent === 1 ? 'a message' : `${sent} messages`} to ${topic}`);
      }),
    );
}
