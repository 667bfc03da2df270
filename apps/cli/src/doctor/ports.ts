import type { Cli } from '../cli.js';
import { addressesOf, splitAddress } from '../server/addresses.js';
import { addressFlag, platform } from '../server/platform.js';
import { portHolder, refusalOf } from '../server/port-holder.js';
import { runningServer } from '../server/server-file.js';
import type { Finding } from './checks.js';

/** Whether each part of the platform can listen, or listens already. */
export async function ports({ settings, variables }: Cli): Promise<Finding[]> {
  const server = runningServer(settings.home);
  const addresses = addressesOf({}, variables);
  return Promise.all(
    platform.map(async (one): Promise<Finding> => {
      const running = server?.processes.find((process) => process.name === one.name);
      const address = running?.address ?? addresses[one.name]!;
      const { host, port } = splitAddress(address);
      const name = `port ${port} (${one.name})`;
      const refusal = await refusalOf(host, port);
      if (refusal === undefined) return { name, result: 'ok', finding: 'free', advice: '' };
      if (refusal !== 'EADDRINUSE')
        return {
          name,
          result: 'failed',
          finding: `cannot be used: ${refusal}`,
          advice: `start it elsewhere: micro server ${addressFlag(one)} HOST:PORT`,
        };
      const holder = portHolder(port);
      if (running && holder?.pid === running.pid)
        return { name, result: 'ok', finding: `in use by micro server, process ${running.pid}`, advice: '' };
      const who = holder ? `process ${holder.pid} (${holder.command})` : 'a process of another user';
      return {
        name,
        result: 'failed',
        finding: `taken by ${who}`,
        advice: `stop it, or start ${one.name} elsewhere: micro server ${addressFlag(one)} HOST:PORT`,
      };
    }),
  );
}
