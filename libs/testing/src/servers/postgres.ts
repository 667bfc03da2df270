import { chown } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type OutsideTool, toolEnvironment } from '../outside.js';
import { freePort } from '../ports.js';
import { temporaryFolder } from '../temporary.js';
import { OutsideServer, type ServerProcess } from './server.js';

export const postgresTool: OutsideTool = { name: 'postgres', apt: 'postgresql' };

export interface PostgresServer extends AsyncDisposable {
  /** `postgres://…` of its administrator. */
  readonly url: string;
  readonly server: ServerProcess;
}

export interface PostgresOptions {
  /** Settings: `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts a real PostgreSQL on a free port of 127.0.0.1; its data are gone when it is disposed. Transactions are serializable unless they
 * say otherwise, as CockroachDB's are.
 */
export async function startPostgres({ settings = {} }: PostgresOptions = {}): Promise<PostgresServer> {
  const folder = await temporaryFolder();
  const port = await freePort();
  const data = join(folder.path, 'data');
  // It does not run as root.
  const owner = process.getuid?.() === 0 ? accountOf('postgres') : undefined;
  if (owner) await chown(folder.path, owner.uid, owner.gid);
  const options = { ...owner, cwd: folder.path, env: toolEnvironment() };
  const dispose = async (server?: OutsideServer) => {
    await server?.kill();
    await folder[Symbol.asyncDispose]();
  };
  const made = spawnSync(
    'initdb',
    [
      '--pgdata',
      data,
      '--username',
      'micro',
      '--auth',
      'trust',
      '--no-sync',
      '--encoding',
      'UTF8',
      '--locale',
      'C.UTF-8',
    ],
    { ...options, encoding: 'utf8' },
  );
  if (made.status !== 0) {
    await dispose();
    throw new Error(`initdb: ${made.stderr}`, { cause: made.error });
  }
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    default_transaction_isolation: 'serializable',
    // A process that is killed loses nothing by it; only a power cut would.
    fsync: 'off',
    ...settings,
  };
  const server = new OutsideServer({
    file: 'postgres',
    args: ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    options,
    log: join(folder.path, 'postgres.log'),
    serves: () => answers(port),
    // Ends its sessions instead of waiting for them.
    stopSignal: 'SIGINT',
  });
  try {
    await server.start();
  } catch (error) {
    await dispose(server);
    throw error;
  }
  return { url: `postgres://micro@127.0.0.1:${port}/postgres`, server, [Symbol.asyncDispose]: () => dispose(server) };
}

function accountOf(name: string): { readonly uid: number; readonly gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  if (!line) throw new Error(`there is no user ${name}: apt-get install postgresql`);
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whether it lets somebody in: one that is still starting answers a start-up message with an error (E), else with R. */
function answers(port: number): Promise<boolean> {
  const parameters = Buffer.from('user\0micro\0database\0postgres\0\0');
  const message = Buffer.alloc(8);
  message.writeInt32BE(8 + parameters.length);
  message.writeInt32BE(196_608, 4);
  return new Promise((resolve) => {
    const socket = new Socket();
    const end = (serves: boolean) => {
      socket.destroy();
      resolve(serves);
    };
    socket.once('data', (data) => end(data[0] === 'R'.charCodeAt(0)));
    socket.once('error', () => end(false));
    socket.once('close', () => resolve(false));
    socket.connect(port, '127.0.0.1', () => socket.write(Buffer.concat([message, parameters])));
  });
}
