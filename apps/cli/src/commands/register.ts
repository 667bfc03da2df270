import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { collect, pairs } from '../remote/call-options.js';
import { checkedAddress } from '../settings.js';
import { durationMs } from '../dynamic/time-text.js';

interface Options {
  readonly version: string;
  readonly address: string[];
  readonly metadata?: string[];
  readonly protocol: string;
  readonly ttl?: string;
}

export function define(command: Command, cli: Cli): void {
  command
    .description(
      'Puts a service into the registry by hand, such as one that is not written with Micro. It expires unless registered again.',
    )
    .argument('<name>', 'name of the service')
    .requiredOption('--address <HOST:PORT>', 'where it listens; repeat for more', collect)
    .option('--version <VERSION>', 'its version', 'latest')
    .option('--metadata <KEY=VALUE>', 'metadata of the service; repeat for more', collect)
    .option('--protocol <NAMES>', 'what it speaks: connect, grpc, http, separated by commas', 'http')
    .option('--ttl <DURATION>', 'how long it stays (default 30s)')
    .action(async (name: string, { version, address, metadata, protocol, ttl }: Options) => {
      const nodes = address.map((one) => ({
        id: `${name}-${checkedAddress(one, '--address')}`,
        address: one,
        metadata: { protocol },
      }));
      const service = { name, version, metadata: pairs(metadata, '--metadata'), nodes };
      const ttlMs = ttl === undefined ? 0 : durationMs(ttl, '--ttl');
      await cli.connection.call('registry', '/registry.Registry/Register', { service, ttlMs });
      cli.out.note(`registered ${name} at ${address.join(', ')}`);
    });
}
