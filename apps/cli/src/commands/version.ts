import type { Command } from 'commander';
import { type Cli, cliVersion } from '../cli.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Shows the versions of this program, of the server it talks to, and of Node.')
    .action(async () => {
      const { proxyAddress, origin } = cli.settings;
      const server = await serverVersion(cli);
      const data = { micro: cliVersion(), server: server ?? null, node: process.version, environment: proxyAddress };
      await cli.out.value(
        data,
        [
          `micro   ${data.micro}`,
          `server  ${server ?? `not reachable at ${proxyAddress} (${origin})`}`,
          `node    ${data.node}`,
        ].join('\n'),
      );
    });
}

/** Version of the registry behind the proxy: it is part of every server. */
export async function serverVersion(cli: Cli): Promise<string | undefined> {
  try {
    const [registry] = await cli.connection.services('registry', 'micro');
    return registry?.version;
  } catch {
    return undefined;
  }
}
