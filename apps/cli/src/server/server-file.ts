import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, readIfThere, writeAtomically } from '../environment/locked-file.js';

/** What a running `micro server` leaves in its data directory for other commands to find it. */
export interface ServerFile {
  readonly pid: number;
  /** Tells the process from a later one of the same number, after a crash and a restart of the machine. */
  readonly identity: string;
  readonly startedMs: number;
  readonly version: string;
  readonly processes: readonly ServerProcess[];
}

export interface ServerProcess {
  readonly name: string;
  /** `host:port` */
  readonly address: string;
  readonly status: string;
  readonly message: string;
  /** 0 while there is none. */
  readonly pid: number;
  readonly restarts: number;
  readonly startedMs: number;
}

export function serverFile(home: string): string {
  return join(home, 'server.json');
}

/** Where the output of a server that runs in the background goes. */
export function serverLog(home: string): string {
  return join(home, 'logs', 'server.log');
}

/** The server of this data directory; undefined if none runs. By process number alone: quick, and right unless the machine was restarted. */
export function runningServer(home: string): ServerFile | undefined {
  try {
    const server = JSON.parse(readIfThere(serverFile(home)) ?? 'null') as ServerFile | null;
    return server && isAlive(server.pid) ? server : undefined;
  } catch {
    return undefined;
  }
}

/** Where a process of the server of this data directory listens; undefined if none runs. */
export function localAddress(home: string, name: string): string | undefined {
  return runningServer(home)?.processes.find((process) => process.name === name)?.address;
}

export function writeServerFile(home: string, server: ServerFile): void {
  writeAtomically(serverFile(home), `${JSON.stringify(server, undefined, 2)}\n`);
}

export function removeServerFile(home: string): void {
  rmSync(serverFile(home), { force: true });
}
