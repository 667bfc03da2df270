import { spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { processIdentity } from '@micro/runtime';
import type { Cli } from '../cli.js';
import { makeHome } from '../environment/locked-file.js';
import { exitCodes, Failure } from '../failure.js';
import { paintStatus } from '../output/paint.js';
import { ago } from '../remote/running-service.js';
import { asVariables } from '../settings.js';
import type { Addresses } from './addresses.js';
import { healthy } from './health.js';
import { type Report, serverArguments } from './run-server.js';
import { runningServer, type ServerFile, serverLog, type ServerProcess } from './server-file.js';

/** Starts the same program again, on its own, and waits until it is healthy. Failure with its last words if it is not. */
export async function startInBackground(cli: Cli, addresses: Addresses): Promise<void> {
  const { home } = cli.settings;
  makeHome(home);
  mkdirSync(dirname(serverLog(home)), { recursive: true, mode: 0o700 });
  const log = openSync(serverLog(home), 'a', 0o600);
  const progress = await cli.out.progress('starting the server');
  try {
    const child = spawn(process.execPath, [process.argv[1]!, ...serverArguments(addresses)], {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...(cli.variables as NodeJS.ProcessEnv), ...asVariables(cli.flags), MICRO_SERVER_BACKGROUND: '1' },
    });
    const report = await new Promise<Report>((resolve) => {
      child.once('message', (message) => resolve(message as Report));
      child.once('error', (error) => resolve({ failure: error.message }));
      child.once('exit', (code) =>
        resolve({ failure: `the server ended with code ${code}: ${lastLines(serverLog(home))}` }),
      );
    });
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
    if ('failure' in report) throw new Failure(report.failure);
    progress.succeed(
      `the server runs as process ${child.pid}; its log is ${serverLog(home)}; stop it with \`micro server stop\``,
    );
  } catch (error) {
    progress.stop();
    throw error;
  } finally {
    closeSync(log);
  }
  await showServer(cli);
}

/** `micro server stop`: in good order, like ctrl-c. */
export async function stopServer(cli: Cli): Promise<void> {
  const server = requireServer(cli);
  const progress = await cli.out.progress(`stopping the server, process ${server.pid}`);
  process.kill(server.pid, 'SIGTERM');
  while (isSame(server)) await new Promise((resolve) => setTimeout(resolve, 30));
  progress.succeed('the server is stopped');
}

/** `micro server status`: what the server knows of its processes, and whether each answers now. */
export async function showServer(cli: Cli): Promise<void> {
  const server = requireServer(cli);
  const rows = await Promise.all(
    server.processes.map(async (one) => ({ ...one, healthy: await healthy(one.address) })),
  );
  const state = (row: (typeof rows)[number]) =>
    row.status === 'running' && !row.healthy ? 'not answering' : row.status;
  if (!cli.out.forPeople) {
    const { pid, startedMs, version } = server;
    return cli.out.value(
      { pid, version, started: new Date(startedMs).toISOString(), processes: rows.map((row) => ({ ...row })) },
      '',
    );
  }
  await cli.out.list<ServerProcess & { readonly healthy: boolean }>({
    columns: [
      { title: 'name', text: ({ name }) => name },
      { title: 'address', text: ({ address }) => address },
      { title: 'status', text: (row, paint) => paintStatus(state(row), paint) },
      { title: 'pid', text: ({ pid }) => (pid === 0 ? '–' : String(pid)) },
      { title: 'restarts', text: ({ restarts }) => String(restarts) },
      { title: 'started', text: ({ startedMs }) => ago(startedMs) },
    ],
    rows,
    data: (row) => ({ ...row }),
    empty: 'nothing runs',
  });
}

function requireServer(cli: Cli): ServerFile {
  const { home } = cli.settings;
  const server = runningServer(home);
  if (server && isSame(server)) return server;
  throw new Failure(`no server runs on ${home}: start one with \`micro server\``, { exitCode: exitCodes.unreachable });
}

/** Whether the process is there, and is the one that wrote the file. */
function isSame({ pid, identity }: ServerFile): boolean {
  return processIdentity(pid) === identity;
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trim().split('\n').slice(-5).join('\n');
}
