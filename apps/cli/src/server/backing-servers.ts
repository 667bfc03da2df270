import { connect, type Socket } from 'node:net';
import { type Config, configOf, parseAddress, readEnvironment } from '@micro/platform';
import type { Variables } from '../settings.js';

/** A server of others that processes of the platform keep something in. */
export interface BackingServer {
  readonly name: string;
  /** What the platform has it for. */
  readonly purpose: string;
  /** By which it is told where the server is. */
  readonly variable: string;
  /** `host:port` of its members, one of which is enough. */
  readonly addresses: readonly string[];
  /** Ways to start one, each a line of a shell. */
  readonly start: readonly string[];
}

/** How a server was found, and what is wrong with it; undefined if nothing is. */
export type Found = BackingServer & { readonly problem: string | undefined };

const patience = 3_000;

/** Whether each server that a profile needs, and what overrides it, can be reached. MicroError where the variables are not legal. */
export async function findBackingServers(profile: string, variables: Variables): Promise<Found[]> {
  const config = configOf(readEnvironment({ ...variables, MICRO_PROFILE: profile }));
  return Promise.all(backingServersOf(config).map(async (server) => ({ ...server, problem: await problemOf(server) })));
}

/** What to do about a server that cannot be reached: several lines. */
export function advice({ variable, start }: BackingServer): string {
  return [`set ${variable}, or start one:`, ...start.map((line) => `  ${line}`)].join('\n');
}

function backingServersOf({ registry, broker, blobs, store, locks }: Config): BackingServer[] {
  const servers: BackingServer[] = [];
  const etcd = registry.adapter === 'etcd' ? registry : locks.adapter === 'etcd' ? locks : undefined;
  if (etcd) {
    servers.push({
      name: 'etcd',
      purpose: registry.adapter === 'etcd' ? 'who runs where' : 'locks',
      variable: 'MICRO_ETCD_ADDRESS',
      addresses: etcd.addresses,
      start: [compose('etcd'), 'etcd --data-dir ~/.micro/etcd (apt-get install etcd-server)'],
    });
  }
  const nats = broker.adapter === 'nats' ? broker : blobs.adapter === 'nats' ? blobs : undefined;
  if (nats) {
    servers.push({
      name: 'NATS',
      purpose: 'messages, events and blobs',
      variable: 'MICRO_NATS_ADDRESS',
      addresses: nats.servers,
      start: [compose('nats'), 'nats-server -a 127.0.0.1 -js -sd ~/.micro/nats (apt-get install nats-server)'],
    });
  }
  const cockroach = store.adapter === 'cockroach' ? store : locks.adapter === 'cockroach' ? locks : undefined;
  if (cockroach) {
    const { hostname, port } = new URL(cockroach.url);
    servers.push({
      name: 'CockroachDB',
      purpose: store.adapter === 'cockroach' ? 'records' : 'locks',
      variable: 'MICRO_COCKROACH_URL',
      addresses: [`${hostname}:${port || 26_257}`],
      start: [compose('cockroach'), 'cockroach start-single-node --insecure --listen-addr 127.0.0.1:26257'],
    });
  }
  return servers;
}

function compose(service: string): string {
  return `docker compose -f docker/compose.yaml up -d ${service}`;
}

async function problemOf({ name, addresses }: BackingServer): Promise<string | undefined> {
  const problems = await Promise.all(addresses.map((address) => problemAt(name, address)));
  return problems.includes(undefined) ? undefined : problems.join('; ');
}

async function problemAt(name: string, address: string): Promise<string | undefined> {
  let socket: Socket | undefined;
  try {
    socket = await opened(address);
    if (name !== 'NATS' || (await hasJetStream(socket))) return undefined;
    return `${address} answers, but without JetStream, which keeps events and blobs`;
  } catch (error) {
    return `nothing answers at ${address} (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`;
  } finally {
    socket?.destroy();
  }
}

function opened(address: string): Promise<Socket> {
  const { host, port } = parseAddress(address) ?? { host: address, port: 0 };
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.setTimeout(patience, () => socket.destroy(new Error(`no answer within ${patience} ms`)));
    socket.once('error', reject).once('connect', () => resolve(socket));
  });
}

/** A NATS server speaks first, and says what it has: `INFO {…}`. One that says nothing else is left to its client. */
function hasJetStream(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    let greeting = '';
    socket.on('data', (chunk) => {
      greeting += chunk;
      if (greeting.includes('\n')) resolve(!greeting.startsWith('INFO ') || greeting.includes('"jetstream":true'));
    });
    socket.once('error', () => resolve(true)).once('close', () => resolve(true));
  });
}
