import type { Cli } from '../cli.js';
import { profileOf, usesBackingServers } from '../server/profile.js';
import type { Finding } from './checks.js';

/** Whether the servers of others that the profile needs can be reached, and whether the settings that name them are legal. */
export async function backingServers({ settings, variables }: Cli): Promise<Finding[]> {
  const profile = profileOf(settings);
  if (!usesBackingServers(profile, variables)) return [];
  const { advice, findBackingServers } = await import('../server/backing-servers.js');
  try {
    const servers = await findBackingServers(profile, variables);
    return servers.map((server): Finding => {
      const { name, addresses, problem } = server;
      if (problem === undefined)
        return { name, result: 'ok', finding: `answers at ${addresses.join(', ')}`, advice: '' };
      return { name, result: 'failed', finding: problem, advice: advice(server) };
    });
  } catch (error) {
    const { message } = error as Error;
    return [
      { name: 'settings', result: 'failed', finding: message, advice: 'correct them, or choose another --profile' },
    ];
  }
}
