import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { ServiceView } from '../remote/service-view.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Lists the services of the namespace, with where they run and what they offer.')
    .action(async () => {
      const services = await cli.connection.services();
      await cli.out.list<ServiceView>({
        columns: [
          { title: 'name', text: ({ name }) => name },
          { title: 'version', text: ({ version }) => version },
          { title: 'nodes', text: ({ nodes }) => nodes.map(({ address }) => address).join(', ') },
          { title: 'endpoints', text: ({ endpoints }) => endpoints.map(({ name }) => name).join(', ') },
        ],
        rows: services,
        data: ({ name, version, metadata, nodes, endpoints }) => ({
          name,
          version,
          metadata: { ...metadata },
          nodes: nodes.map(({ id, address }) => ({ id, address })),
          endpoints: endpoints.map((endpoint) => endpoint.name),
        }),
        empty: `no services in namespace ${cli.settings.namespace}: run one with \`micro run .\``,
      });
    });
}
