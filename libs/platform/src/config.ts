import { join } from 'node:path';
import { MicroError } from '@micro/errors';
import type { LogLevel } from '@micro/telemetry';
import { type Address, type Environment, formatAddress } from './env.js';
import { profiles } from './profiles.js';

/** Which adapters, with all that each needs to be opened: one union a block. */
export interface Config {
  readonly registry:
    | { readonly adapter: 'memory' }
    | { readonly adapter: 'mdns'; readonly interface: string; readonly port: number; readonly fallbackFile: string }
    | { readonly adapter: 'remote'; readonly address: string };
  readonly runtime: { readonly adapter: 'process'; readonly home: string } | { readonly adapter: 'remote' };
  readonly log: { readonly level: LogLevel; readonly format: 'pretty' | 'json' };
}

/** Where each platform app listens unless told otherwise; always on loopback. */
export const defaultPorts = { api: 8080, proxy: 8081, registry: 8000, runtime: 8088 } as const;

/** Environment → configuration: pure. Throws MicroError `invalid_argument` with one line for each contradiction. */
export function configOf(environment: Environment): Config {
  const row = profiles[environment.profile];
  const registry = environment.registry ?? row.registry;
  const problems: string[] = [];
  if (environment.registryAddress && registry !== 'remote') {
    const why = environment.registry ? `MICRO_REGISTRY=${registry}` : `profile ${environment.profile}, whose registry is ${registry}`;
    problems.push(
      `MICRO_REGISTRY_ADDRESS=${formatAddress(environment.registryAddress)} contradicts ${why}; leave it out, or set MICRO_REGISTRY=remote`,
    );
  }
  if (problems.length > 0) throw new MicroError('invalid_argument', problems.join('\n'));
  return {
    registry: registryConfig(registry, environment),
    runtime: (environment.runtime ?? row.runtime) === 'remote' ? { adapter: 'remote' } : { adapter: 'process', home: environment.home },
    log: { level: environment.logLevel, format: environment.logFormat },
  };
}

function registryConfig(adapter: Config['registry']['adapter'], environment: Environment): Config['registry'] {
  switch (adapter) {
    case 'memory':
      return { adapter };
    case 'mdns':
      return {
        adapter,
        interface: environment.mdnsInterface,
        port: environment.mdnsPort,
        fallbackFile: join(environment.home, 'registry.json'),
      };
    case 'remote':
      return { adapter, address: formatAddress(environment.registryAddress ?? onLoopback(defaultPorts.registry)) };
  }
}

export function onLoopback(port: number): Address {
  return { host: '127.0.0.1', port };
}
