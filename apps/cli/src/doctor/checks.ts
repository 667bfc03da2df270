import type { Cli } from '../cli.js';
import { backingServers } from './backing-servers.js';
import { dataDirectory } from './data-directory.js';
import { multicast } from './multicast.js';
import { ports } from './ports.js';
import { nodeVersion, packageVersions, server } from './versions.js';

/** What one check found. */
export interface Finding {
  readonly name: string;
  /** `warning` does not keep anything from working. */
  readonly result: 'ok' | 'warning' | 'failed';
  readonly finding: string;
  /** What to do about it; empty if nothing is to be done. */
  readonly advice: string;
}

export type Check = (cli: Cli) => Promise<Finding | readonly Finding[]>;

/** All that `micro doctor` looks at, in the order in which it tells. */
export const checks: readonly Check[] = [
  nodeVersion,
  packageVersions,
  dataDirectory,
  ports,
  multicast,
  backingServers,
  server,
];
