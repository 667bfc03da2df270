import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LogFile } from '@micro/runtime';
import { type Cli, cliVersion } from '../cli.js';
import { type Addresses, addressesOf } from './addresses.js';
import { exitCodes, Failure } from '../failure.js';
import { logPrefixes } from './log-prefix.js';
import { profileOf } from './profile.js';
import { addressFlag, platform } from './platform.js';
import { inherited, Server } from './serve.js';
import { serverLog } from './server-file.js';

export interface RunServerOptions {
  /** Flags of addresses, by process name. */
  readonly addresses: Readonly<Record<string, string | undefined>>;
  readonly detach: boolean;
}

/** Folder of the processes' bundles, beside this program's own. */
const bundles = fileURLToPath(new URL('./platform', import.meta.url));

/** `micro server`: the platform in the foreground until a signal; or in the background, healthy when this returns. */
export async function runServer(cli: Cli, options: RunServerOptions): Promise<void> {
  // The proxy's address is also a global flag, which is read before this command's own.
  const addresses = addressesOf(
    { ...options.addresses, proxy: options.addresses.proxy ?? cli.flags.proxyAddress },
    cli.variables,
  );
  await requireBackingServers(cli);
  if (options.detach) {
    const { startInBackground } = await import('./background.js');
    return startInBackground(cli, addresses);
  }
  await serveUntilSignal(cli, addresses);
}

/** Failure naming every setting that is not legal or does not fit a server, or else every server that the profile needs and that cannot be reached. */
async function requireBackingServers({ settings, variables }: Cli): Promise<void> {
  const given = [profileOf(settings), inherited(variables)] as const;
  const { misfits } = await import('./misfits.js');
  const problems = misfits(...given);
  if (problems.length > 0) throw new Failure(problems.join('\n'));
  const { advice, findBackingServers } = await import('./backing-servers.js');
  const servers = await findBackingServers(...given);
  const away = servers.filter(({ problem }) => problem !== undefined);
  if (away.length === 0) return;
  const lines = away.map((server) => `${server.name} (${server.purpose}): ${server.problem}\n${advice(server)}`);
  throw new Failure(lines.join('\n'), { exitCode: exitCodes.unreachable });
}

/** How the process in the background tells the one in front how it went. */
export type Report = { readonly ready: true } | { readonly failure: string };

async function serveUntilSignal(cli: Cli, addresses: Addresses): Promise<void> {
  const { out, settings, variables } = cli;
  const inBackground = variables.MICRO_SERVER_BACKGROUND === '1';
  const prefixed = logPrefixes([...platform.map(({ name }) => name), 'server'], out.paint);
  const write = lineWriter(cli, inBackground);
  const onLine = (name: string, { stream, text }: { stream: 'stdout' | 'stderr'; text: string }) =>
    write(stream, prefixed(name, text));
  const say = (text: string) => onLine('server', { stream: 'stderr', text });

  const startedMs = Date.now();
  const server = new Server({
    home: settings.home,
    version: cliVersion(),
    addresses,
    bundles,
    variables: { ...variables, MICRO_PROFILE: profileOf(settings) },
    onLine,
  });
  let asked = false;
  const stopped = untilSignal(say).then(() => {
    asked = true;
    return server.stop();
  });
  if (!inBackground) out.note(`starting ${platform.map(({ name }) => name).join(', ')}`);
  try {
    await server.start();
    report({ ready: true });
    if (!inBackground) await announce(cli, addresses, Date.now() - startedMs);
  } catch (error) {
    report({ failure: (error as Error).message });
    if (!asked) throw error;
  }
  await stopped;
  say('stopped');
}

/** Lines go to the terminal; in the background to a log of limited size. */
function lineWriter(cli: Cli, inBackground: boolean): (stream: 'stdout' | 'stderr', line: string) => void {
  if (!inBackground) return (stream, line) => void cli.streams[stream].write(line);
  const log = new LogFile(serverLog(cli.settings.home), { files: 3 });
  return (stream, line) => log.write(stream, [line.trimEnd()]);
}

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP. A second one ends this process at once: the others, told to stop already, finish that by
 * themselves; killing the runtime would leave behind what it runs.
 */
function untilSignal(say: (text: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (asked) process.exit(130);
      asked = true;
      say(`${signal}: stopping everything in order; again to leave at once`);
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}

function report(message: Report): void {
  if (process.connected) process.send?.(message);
}

/** The table of addresses, once all are healthy. */
async function announce({ out, settings }: Cli, addresses: Addresses, tookMs: number): Promise<void> {
  const rows = platform.map(({ name, purpose }) => ({ name, address: addresses[name]!, purpose }));
  if (!out.forPeople)
    return out.value({ status: 'healthy', home: settings.home, processes: rows.map((row) => ({ ...row })) }, '');
  const next = existsSync('examples/helloworld')
    ? 'micro run examples/helloworld'
    : 'micro new hello && micro run hello';
  const width = (key: 'name' | 'address') => Math.max(...rows.map((row) => row[key].length));
  out.line('');
  for (const { name, address, purpose } of rows) {
    out.line(
      `  ${out.paint.bold(name.padEnd(width('name')))}  ${out.paint.cyan(address.padEnd(width('address')))}  ${purpose}`,
    );
  }
  out.line('');
  out.line(
    `All healthy after ${(tookMs / 1000).toFixed(1)} s, data in ${settings.home}. Next, in another terminal: ${next}`,
  );
  out.line('Ctrl-c stops everything.');
}

/** The arguments that start the same server again, in the background. */
export function serverArguments(addresses: Addresses): string[] {
  return ['server', ...platform.flatMap((process) => [addressFlag(process), addresses[process.name]!])];
}
