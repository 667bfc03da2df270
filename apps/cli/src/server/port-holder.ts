import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';

/** The process that listens on a port. */
export interface PortHolder {
  readonly pid: number;
  /** Its command line, shortened. */
  readonly command: string;
}

/** Why an address cannot be listened on: Node's error code (`EADDRINUSE`, `EACCES`, …); undefined if it can. */
export function refusalOf(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Who listens on a TCP port of this machine; undefined if nobody does, or if it is a process that this user may not look into. */
export function portHolder(port: number): PortHolder | undefined {
  return process.platform === 'linux' ? fromProc(port) : fromLsof(port);
}

const listening = '0A';

function fromProc(port: number): PortHolder | undefined {
  const sockets = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of lines(table).slice(1)) {
      // proc(5): sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === listening && Number.parseInt(local.split(':')[1] ?? '', 16) === port)
        sockets.add(`socket:[${inode}]`);
    }
  }
  if (sockets.size === 0) return undefined;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (openFiles(pid).some((file) => sockets.has(file))) return { pid: Number(pid), command: commandLine(pid) };
  }
  return undefined;
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((file) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${file}`);
      } catch {
        return '';
      }
    });
  } catch {
    return [];
  }
}

function commandLine(pid: string): string {
  const words = lines(`/proc/${pid}/cmdline`).join(' ').split('\0').filter(Boolean);
  return shortened(words.join(' ') || (lines(`/proc/${pid}/comm`)[0] ?? ''));
}

function fromLsof(port: number): PortHolder | undefined {
  try {
    const found = execFileSync('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fp'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = Number(/^p(\d+)$/m.exec(found)?.[1]);
    if (!pid) return undefined;
    return {
      pid,
      command: shortened(execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim()),
    };
  } catch {
    return undefined;
  }
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n');
  } catch {
    return [];
  }
}

function shortened(command: string): string {
  return command.length > 100 ? `${command.slice(0, 97)}…` : command;
}
