import { homedir } from 'node:os';
import { join } from 'node:path';
import { readEnvironments } from './environment/environments.js';
import { Failure } from './failure.js';
import { type GlobalFlags, globalFlags } from './global-flags.js';
import { localAddress } from './server/server-file.js';
import { didYouMean } from './suggest.js';

export const outputFormats = ['table', 'json', 'raw', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** What flags, variables and files come to. */
export interface Settings {
  /** Data directory: MICRO_HOME, default `~/.micro`. */
  readonly home: string;
  readonly namespace: string;
  readonly profile: string | undefined;
  readonly output: OutputFormat;
  readonly verbose: boolean;
  /** `host:port` of the proxy that all calls go through. */
  readonly proxyAddress: string;
  /** Where that address comes from, for messages: `environment local`. */
  readonly origin: string;
}

export type Variables = Readonly<Record<string, string | undefined>>;

export function homeOf(variables: Variables): string {
  return variables.MICRO_HOME || join(homedir(), '.micro');
}

/** A flag wins over its variable, a variable over the environment's file. */
export function resolveSettings(flags: GlobalFlags, variables: Variables): Settings {
  const home = homeOf(variables);
  const output = flags.output ?? (variables.MICRO_OUTPUT || 'table');
  if (!isOutputFormat(output))
    throw new Failure(
      `output "${output}" is unknown${didYouMean(output, outputFormats)} (${outputFormats.join(', ')})`,
    );
  return {
    home,
    namespace: checkedNamespace(flags.namespace ?? (variables.MICRO_NAMESPACE || 'micro')),
    profile: flags.profile ?? (variables.MICRO_PROFILE || undefined),
    output,
    verbose: flags.verbose ?? isTrue(variables.MICRO_VERBOSE),
    ...proxyOf(flags, variables, home),
  };
}

/** The flags as variables, for programs that this one starts. */
export function asVariables(flags: GlobalFlags): Record<string, string> {
  const given = globalFlags.filter(({ key }) => flags[key] !== undefined);
  return Object.fromEntries(given.map(({ key, variable }) => [variable, String(flags[key])]));
}

function checkedNamespace(namespace: string): string {
  if (/^[A-Za-z0-9._-]{1,100}$/.test(namespace)) return namespace;
  throw new Failure(
    `namespace ${JSON.stringify(namespace.slice(0, 100))} is not legal: use letters, digits, '.', '_' and '-', at most 100`,
  );
}

function proxyOf(flags: GlobalFlags, variables: Variables, home: string): Pick<Settings, 'proxyAddress' | 'origin'> {
  if (flags.proxyAddress !== undefined)
    return { proxyAddress: checkedAddress(flags.proxyAddress, '--proxy-address'), origin: '--proxy-address' };
  if (flags.env === undefined && variables.MICRO_PROXY_ADDRESS) {
    return {
      proxyAddress: checkedAddress(variables.MICRO_PROXY_ADDRESS, 'MICRO_PROXY_ADDRESS'),
      origin: 'MICRO_PROXY_ADDRESS',
    };
  }
  const environments = readEnvironments(home);
  const name = flags.env ?? (variables.MICRO_ENV || environments.current);
  const address = environments.addressOf(name);
  // A server that was told to listen elsewhere is still the local one of this data directory.
  const local = name === 'local' ? localAddress(home, 'proxy') : undefined;
  return { proxyAddress: local ?? address, origin: `environment ${name}` };
}

/** `host:port`; Failure naming where a malformed one came from. */
export function checkedAddress(address: string, source: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/]+):(\d{1,5})$/.exec(address);
  if (!match || Number(match[2]) > 65_535)
    throw new Failure(`${source} must be host:port, like 127.0.0.1:8081, not "${address}"`);
  return address;
}

function isOutputFormat(word: string): word is OutputFormat {
  return (outputFormats as readonly string[]).includes(word);
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no', 'off'].includes(value.toLowerCase());
}
