import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { MicroError } from '@micro/errors';
import { defaultLimits } from '@micro/rpc';
import { type LogLevel, logLevels } from '@micro/telemetry';
import { type Address, onLoopback } from './address.js';
import {
  address,
  addresses,
  certificates,
  credentials,
  databaseUrl,
  integer,
  ipv4,
  label,
  namespace,
  nkeySeed,
  oneOf,
  privateKey,
  replicas,
  secret,
  word,
} from './variable-kinds.js';
import {
  type BrokerName,
  brokerNames,
  lockNames,
  type LocksName,
  type ProfileName,
  profiles,
  type RegistryName,
  registryNames,
  type RuntimeName,
  runtimeNames,
  type StoreName,
  storeNames,
} from './profiles.js';
import { namesOf, readVariable, type Source, type Variable } from './variable.js';

/** What the process was told by its environment, checked. The token of it in Nest. Every field is one `MICRO_…` variable. */
export abstract class Environment {
  /** Which row of the table in profiles.ts. Default `local`. */
  abstract readonly profile: ProfileName;
  /** Folder of all data, absolute. Default `~/.micro`. */
  abstract readonly home: string;
  /** The tenant that the process belongs to. Default `micro`. */
  abstract readonly namespace: string;
  /** Name to register under, where the program does not say. */
  abstract readonly name: string | undefined;
  abstract readonly version: string | undefined;
  /** Id of this copy of the service. Default: made up. */
  abstract readonly nodeId: string | undefined;
  /** Where to listen. */
  abstract readonly address: Address | undefined;
  /** Overrides the profile's adapter. */
  abstract readonly registry: RegistryName | undefined;
  /** Where apps/registry is, whatever it keeps its own list in: the server of `remote`, and what users' services are told. */
  abstract readonly registryAddress: Address | undefined;
  abstract readonly broker: BrokerName | undefined;
  abstract readonly store: StoreName | undefined;
  /** Instead of where the store is. */
  abstract readonly locks: LocksName | undefined;
  abstract readonly runtime: RuntimeName | undefined;
  /** Members of etcd, for those whose registry or locks it has. Default: 127.0.0.1:2379. */
  abstract readonly etcdAddress: readonly Address[];
  abstract readonly etcdUsername: string | undefined;
  abstract readonly etcdPassword: string | undefined;
  /** Text in PEM, of the files that the variables name: of whom to trust, and what to be known by. So for each server. */
  abstract readonly etcdCa: string | undefined;
  abstract readonly etcdCert: string | undefined;
  abstract readonly etcdKey: string | undefined;
  /** Members of NATS, for those whose broker or blobs it has. Default: 127.0.0.1:4222. */
  abstract readonly natsAddress: readonly Address[];
  /** By one of these the process is known: a token, the seed of a user's key, or the text of a file of credentials. */
  abstract readonly natsToken: string | undefined;
  abstract readonly natsNkey: string | undefined;
  abstract readonly natsCredentials: string | undefined;
  abstract readonly natsCa: string | undefined;
  abstract readonly natsCert: string | undefined;
  abstract readonly natsKey: string | undefined;
  /** How many members keep each stream and each blob. Default 1. */
  abstract readonly natsReplicas: number;
  /** Of CockroachDB, for those whose store or locks it has. Default: `defaultdb` of a single node on 127.0.0.1:26257 that asks for no password. */
  abstract readonly cockroachUrl: string;
  abstract readonly cockroachCa: string | undefined;
  abstract readonly cockroachCert: string | undefined;
  abstract readonly cockroachKey: string | undefined;
  /** Connections at most, and milliseconds that a statement may take; undefined: as libs/store says. */
  abstract readonly cockroachPool: number | undefined;
  abstract readonly cockroachTimeout: number | undefined;
  /** Milliseconds and bytes a stream for which events are kept in the log of this process; undefined: as libs/broker says. */
  abstract readonly eventsAge: number | undefined;
  abstract readonly eventsBytes: number | undefined;
  /** Interface, by its IPv4 address, and UDP port that the mdns adapter uses; subscribers listen there, too. Default: loopback, 5353. */
  abstract readonly mdnsInterface: string;
  abstract readonly mdnsPort: number;
  /** Default: `info`; `warn` in tests. */
  abstract readonly logLevel: LogLevel | undefined;
  /** Default: `pretty` on a terminal, else `json`. */
  abstract readonly logFormat: 'pretty' | 'json';
  abstract readonly region: string;
  abstract readonly zone: string;
  /** Where the doors are, for those who print or use them. */
  abstract readonly proxyAddress: Address;
  abstract readonly apiAddress: Address;
  /** Bytes of one message, sent or received, after decompression: of every server and client of the process. Default 4 MiB. */
  abstract readonly messageLimit: number;
  /** Processes that share the gateway's port. Default 1. */
  abstract readonly apiWorkers: number;
  /** Bytes of a request's body that the gateway takes at most. Default: `messageLimit`, and never more. */
  abstract readonly apiBodyLimit: number | undefined;
  /** Milliseconds between deregistering and refusing calls, for the news to spread. Default: 400, or 0 where no news has to. */
  abstract readonly stopDelay: number | undefined;
  /** Milliseconds that calls which have begun may take to finish. */
  abstract readonly stopGrace: number;
}

type Variables = { readonly [K in keyof Environment]: Variable<Environment[K]> };

/** A message in JSON has to fit into a string, of which Node has none longer than 512 MiB. */
const largestMessage = 256 * 1024 * 1024;

/** Every variable there is. */
const variables: Variables = {
  profile: { name: 'MICRO_PROFILE', ...oneOf(Object.keys(profiles) as ProfileName[]), fallback: () => 'local' },
  home: {
    name: 'MICRO_HOME',
    read: (text) => resolve(text),
    legal: 'a folder',
    fallback: () => join(homedir(), '.micro'),
  },
  namespace: { name: 'MICRO_NAMESPACE', ...namespace, fallback: () => 'micro' },
  name: { name: 'MICRO_NAME', ...label, fallback: absent },
  version: { name: 'MICRO_VERSION', ...word, fallback: absent },
  nodeId: { name: 'MICRO_NODE_ID', ...word, fallback: absent },
  address: { name: 'MICRO_ADDRESS', ...address(0), fallback: absent },
  registry: { name: 'MICRO_REGISTRY', ...oneOf(registryNames), fallback: absent },
  registryAddress: { name: 'MICRO_REGISTRY_ADDRESS', ...address(1), fallback: absent },
  broker: { name: 'MICRO_BROKER', ...oneOf(brokerNames), fallback: absent },
  store: { name: 'MICRO_STORE', ...oneOf(storeNames), fallback: absent },
  locks: { name: 'MICRO_LOCKS', ...oneOf(lockNames), fallback: absent },
  runtime: { name: 'MICRO_RUNTIME', ...oneOf(runtimeNames), fallback: absent },
  etcdAddress: { name: 'MICRO_ETCD_ADDRESS', ...addresses, fallback: () => [onLoopback(2379)] },
  etcdUsername: { name: 'MICRO_ETCD_USERNAME', ...word, fallback: absent },
  etcdPassword: { name: 'MICRO_ETCD_PASSWORD', ...secret, fallback: absent },
  etcdCa: { name: 'MICRO_ETCD_CA', ...certificates, fallback: absent },
  etcdCert: { name: 'MICRO_ETCD_CERT', ...certificates, fallback: absent },
  etcdKey: { name: 'MICRO_ETCD_KEY', ...privateKey, fallback: absent },
  natsAddress: { name: 'MICRO_NATS_ADDRESS', ...addresses, fallback: () => [onLoopback(4222)] },
  natsToken: { name: 'MICRO_NATS_TOKEN', ...secret, fallback: absent },
  natsNkey: { name: 'MICRO_NATS_NKEY', ...nkeySeed, fallback: absent },
  natsCredentials: { name: 'MICRO_NATS_CREDENTIALS', ...credentials, fallback: absent },
  natsCa: { name: 'MICRO_NATS_CA', ...certificates, fallback: absent },
  natsCert: { name: 'MICRO_NATS_CERT', ...certificates, fallback: absent },
  natsKey: { name: 'MICRO_NATS_KEY', ...privateKey, fallback: absent },
  natsReplicas: { name: 'MICRO_NATS_REPLICAS', ...replicas, fallback: () => 1 },
  cockroachUrl: {
    name: 'MICRO_COCKROACH_URL',
    ...databaseUrl,
    fallback: () => 'postgresql://root@127.0.0.1:26257/defaultdb',
  },
  cockroachCa: { name: 'MICRO_COCKROACH_CA', ...certificates, fallback: absent },
  cockroachCert: { name: 'MICRO_COCKROACH_CERT', ...certificates, fallback: absent },
  cockroachKey: { name: 'MICRO_COCKROACH_KEY', ...privateKey, fallback: absent },
  cockroachPool: { name: 'MICRO_COCKROACH_POOL', ...integer(2, 1_000), fallback: absent },
  cockroachTimeout: { name: 'MICRO_COCKROACH_TIMEOUT', ...integer(100, 15_000), fallback: absent },
  // A second; ten years.
  eventsAge: { name: 'MICRO_EVENTS_RETENTION_AGE', ...integer(1_000, 315_360_000_000), fallback: absent },
  eventsBytes: { name: 'MICRO_EVENTS_RETENTION_BYTES', ...integer(1_048_576, 2 ** 50), fallback: absent },
  mdnsInterface: { name: 'MICRO_MDNS_INTERFACE', ...ipv4, fallback: () => '127.0.0.1' },
  mdnsPort: { name: 'MICRO_MDNS_PORT', ...integer(1, 65_535), fallback: () => 5353 },
  logLevel: { name: 'MICRO_LOG_LEVEL', ...oneOf(logLevels), fallback: absent },
  logFormat: {
    name: 'MICRO_LOG_FORMAT',
    ...oneOf(['pretty', 'json'] as const),
    fallback: () => (process.stderr.isTTY ? 'pretty' : 'json'),
  },
  region: { name: 'MICRO_REGION', ...word, fallback: () => '' },
  zone: { name: 'MICRO_ZONE', ...word, fallback: () => '' },
  proxyAddress: { name: 'MICRO_PROXY_ADDRESS', ...address(1), fallback: () => onLoopback(8081) },
  apiAddress: { name: 'MICRO_API_ADDRESS', ...address(1), fallback: () => onLoopback(8080) },
  apiWorkers: { name: 'MICRO_API_WORKERS', ...integer(1, 64), fallback: () => 1 },
  apiBodyLimit: { name: 'MICRO_API_BODY_LIMIT', ...integer(1, largestMessage), fallback: absent },
  // Less would be too little for what the parts of the platform tell each other.
  messageLimit: {
    name: 'MICRO_MESSAGE_LIMIT',
    ...integer(65_536, largestMessage),
    fallback: () => defaultLimits.messageBytes,
  },
  stopDelay: { name: 'MICRO_STOP_DELAY', ...integer(0, 60_000), fallback: absent },
  stopGrace: { name: 'MICRO_STOP_GRACE', ...integer(0, 600_000), fallback: () => 10_000 },
};

/** Names of all variables, and of the files that secrets may stand in, for those who hand an environment on. */
export const variableNames: readonly string[] = Object.values(variables).flatMap((variable: Variable<unknown>) =>
  namesOf(variable),
);

/**
 * Reads and checks everything at once, files included; an empty variable counts as unset. `overrides` come from the program and win. Throws
 * MicroError `invalid_argument` with one line for each wrong variable: its name, its value, and what would be legal. What is secret is not shown.
 */
export function readEnvironment(source: Source = process.env, overrides: Partial<Environment> = {}): Environment {
  const problems: string[] = [];
  const entries = Object.entries(variables).map(([key, variable]: [string, Variable<unknown>]) => {
    const reading = readVariable(variable, source);
    if ('value' in reading) return [key, reading.value];
    problems.push(reading.problem);
    return [key, undefined];
  });
  if (problems.length > 0) throw new MicroError('invalid_argument', problems.join('\n'));
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return Object.fromEntries([...entries, ...given]) as Environment;
}

/** What else the environment has, PATH and the like: what a process started for a user inherits. */
export function otherVariables(source: Source = process.env): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(source).filter(([name]) => !name.startsWith('MICRO_') && name !== 'NODE_CHANNEL_FD'),
  );
}

function absent(): undefined {
  return undefined;
}
