import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { exitCodes, Failure } from '../failure.js';
import { collect } from '../remote/call-options.js';

interface Options {
  readonly version?: string;
  readonly address?: string[];
}

export function define(command: Command, cli: Cli): void {
  command
    .description(
      'Takes a service off the registry: all of its nodes, or those at the given addresses. One that runs registers itself again.',
    )
    .argument('<name>', 'name of the service')
    .option('--version <VERSION>', 'only this version')
    .option('--address <HOST:PORT>', 'only the node there; repeat for more', collect)
    .action(async (name: string, { version, address }: Options) => {
      const found = (await cli.connection.services(name)).filter(
        (service) => version === undefined || service.version === version,
      );
      const services = found
        .map((service) => ({
          ...service,
          nodes: service.nodes.filter((node) => address === undefined || address.includes(node.address)),
        }))
        .filter(({ nodes }) => nodes.length > 0);
      if (services.length === 0) {
        throw new Failure(
          `no such node of ${name} is registered in namespace ${cli.settings.namespace}: see micro get service ${name}`,
          { exitCode: exitCodes.unreachable },
        );
      }
      for (const { version: registered, nodes } of services) {
        const service = { name, version: registered, nodes: nodes.map(({ id }) => ({ id })) };
        await cli.connection.call('registry', '/registry.Registry/Deregister', { service });
      }
      cli.out.note(`deregistered ${services.flatMap(({ nodes }) => nodes.map(({ id }) => id)).join(', ')}`);
    });
}
