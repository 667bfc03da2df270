import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { MicroError } from '@micro/errors';
import { defaultLimits } from '@micro/rpc';
import { type LogLevel, logLevels } from '@micro/telemetry';
import {
  type BrokerName,
  brokerNames,
  type ProfileName,
  profiles,
  type RegistryName,
  registryNames,
  type RuntimeName,
  runtimeNames,
  type StoreName,
  storeNames,
} from './profiles.js';

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
  /** Where the adapter's server is: of `remote`, apps/registry. */
  abstract readonly registryAddress: Address | undefined;
  abstract readonly broker: BrokerName | undefined;
  abstract readonly store: StoreName | undefined;
  abstract readonly runtime: RuntimeName | undefined;
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

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How one variable is read: `read` gives undefined for text that is not legal, `legal` says what would be. */
interface Variable<T> {
  readonly name: string;
  readonly read: (text: string) => T | undefined;
  readonly legal: string;
  readonly fallback: () => T;
}

type Variables = { readonly [K in keyof Environment]: Variable<Environment[K]> };

/** Name of a service. */
const label = {
  read: (text: string) => (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(text) ? text : undefined),
  legal: "letters, digits, '.', '_' and '-', at most 253",
};
/** As the registry has it, and the gateway: it goes into host names. */
const namespace = {
  read: (text: string) => (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$/.test(text) ? text : undefined),
  legal: "letters, digits, '.', '_' and '-', at most 100",
};
const word = { read: (text: string) => (/^[\x21-\x7e]{1,128}$/.test(text) ? text : undefined), legal: 'visible ASCII without spaces, at most 128' };

/** A message in JSON has to fit into a string, of which Node has none longer than 512 MiB. */
const largestMessage = 256 * 1024 * 1024;

/** Every variable there is. */
const variables: Variables = {
  profile: { name: 'MICRO_PROFILE', ...oneOf(Object.keys(profiles) as ProfileName[]), fallback: () => 'local' },
  home: { name: 'MICRO_HOME', read: (text) => resolve(text), legal: 'a folder', fallback: () => join(homedir(), '.micro') },
  namespace: { name: 'MICRO_NAMESPACE', ...namespace, fallback: () => 'micro' },
  name: { name: 'MICRO_NAME', ...label, fallback: absent },
  version: { name: 'MICRO_VERSION', ...word, fallback: absent },
  nodeId: { name: 'MICRO_NODE_ID', ...word, fallback: absent },
  address: { name: 'MICRO_ADDRESS', ...address(0), fallback: absent },
  registry: { name: 'MICRO_REGISTRY', ...oneOf(registryNames), fallback: absent },
  registryAddress: { name: 'MICRO_REGISTRY_ADDRESS', ...address(1), fallback: absent },
  broker: { name: 'MICRO_BROKER', ...oneOf(brokerNames), fallback: absent },
  store: { name: 'MICRO_STORE', ...oneOf(storeNames), fallback: absent },
  runtime: { name: 'MICRO_RUNTIME', ...oneOf(runtimeNames), fallback: absent },
  // A second; ten years.
  eventsAge: { name: 'MICRO_EVENTS_RETENTION_AGE', ...integer(1_000, 315_360_000_000), fallback: absent },
  eventsBytes: { name: 'MICRO_EVENTS_RETENTION_BYTES', ...integer(1_048_576, 2 ** 50), fallback: absent },
  mdnsInterface: { name: 'MICRO_MDNS_INTERFACE', read: ipv4, legal: 'the IPv4 address of an interface', fallback: () => '127.0.0.1' },
  mdnsPort: { name: 'MICRO_MDNS_PORT', ...integer(1, 65_535), fallback: () => 5353 },
  logLevel: { name: 'MICRO_LOG_LEVEL', ...oneOf(logLevels), fallback: absent },
  logFormat: { name: 'MICRO_LOG_FORMAT', ...oneOf(['pretty', 'json'] as const), fallback: () => (process.stderr.isTTY ? 'pretty' : 'json') },
  region: { name: 'MICRO_REGION', ...word, fallback: () => '' },
  zone: { name: 'MICRO_ZONE', ...word, fallback: () => '' },
  proxyAddress: { name: 'MICRO_PROXY_ADDRESS', ...address(1), fallback: () => ({ host: '127.0.0.1', port: 8081 }) },
  apiAddress: { name: 'MICRO_API_ADDRESS', ...address(1), fallback: () => ({ host: '127.0.0.1', port: 8080 }) },
  apiWorkers: { name: 'MICRO_API_WORKERS', ...integer(1, 64), fallback: () => 1 },
  apiBodyLimit: { name: 'MICRO_API_BODY_LIMIT', ...integer(1, largestMessage), fallback: absent },
  // Less would be too little for what the parts of the platform tell each other.
  messageLimit: { name: 'MICRO_MESSAGE_LIMIT', ...integer(65_536, largestMessage), fallback: () => defaultLimits.messageBytes },
  stopDelay: { name: 'MICRO_STOP_DELAY', ...integer(0, 60_000), fallback: absent },
  stopGrace: { name: 'MICRO_STOP_GRACE', ...integer(0, 600_000), fallback: () => 10_000 },
};

/** Names of all variables, for those who hand an environment on. */
export const variableNames: readonly string[] = Object.values(variables).map(({ name }) => name);

/**
 * Reads and checks everything at once; an empty variable counts as unset. `overrides` come from the program and win. Throws MicroError
 * `invalid_argument` with one line for each wrong variable: its name, its value, and what would be legal.
 */
export function readEnvironment(
  source: Readonly<Record<string, string | undefined>> = process.env,
  overrides: Partial<Environment> = {},
): Environment {
  const problems: string[] = [];
  const entries = Object.entries(variables).map(([key, variable]: [string, Variable<unknown>]) => {
    const text = source[variable.name];
    if (text === undefined || text === '') return [key, variable.fallback()];
    const value = variable.read(text);
    if (value === undefined) problems.push(`${variable.name}=${quoted(text)} is not legal; use ${variable.legal}`);
    return [key, value];
  });
  if (problems.length > 0) throw new MicroError('invalid_argument', problems.join('\n'));
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return Object.fromEntries([...entries, ...given]) as Environment;
}

/** What else the environment has, PATH and the like: what a process started for a user inherits. */
export function otherVariables(source: Readonly<Record<string, string | undefined>> = process.env): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(source).filter(([name]) => !name.startsWith('MICRO_') && name !== 'NODE_CHANNEL_FD'));
}

export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `host:port` or `[::1]:port`; undefined for anything else. */
export function parseAddress(text: string, lowestPort = 0): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535 || port < lowestPort) return undefined;
  return { host: (match[1] ?? match[2]) as string, port };
}

function oneOf<const T extends string>(values: readonly T[]) {
  return { read: (text: string) => values.find((value) => value === text), legal: `one of ${values.join(', ')}` };
}

function address(lowestPort: number) {
  return { read: (text: string) => parseAddress(text, lowestPort), legal: 'host:port, such as 127.0.0.1:9000' };
}

function integer(least: number, most: number) {
  const read = (text: string) => (/^\d{1,16}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined);
  return { read, legal: `a whole number from ${least} to ${most}` };
}

function absent(): undefined {
  return undefined;
}

function ipv4(text: string): string | undefined {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every((part) => Number(part) < 256) ? text : undefined;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
