import { join } from 'node:path';
import { isAlive, readIfThere } from '../environment/locked-file.js';

/** What a running `micro server` leaves in its data directory for other commands to find it. */
export interface ServerFile {
  readonly pid: number;
  /** `host:port` by process name. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly startedMs: number;
}

export function serverFile(home: string): string {
  return join(home, 'server.json');
}

/** The server of this data directory; undefined if none runs. */
export function runningServer(home: string): ServerFile | undefined {
  try {
    const server = JSON.parse(readIfThere(serverFile(home)) ?? 'null') as ServerFile | null;
    return server && isAlive(server.pid) ? server : undefined;
  } catch {
    return undefined;
  }
}

/** Where the processes of the server of this data directory listen. */
export function serverAddresses(home: string): Readonly<Record<string, string>> | undefined {
  return runningServer(home)?.addresses;
}
