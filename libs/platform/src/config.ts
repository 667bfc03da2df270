import { join } from 'node:path';
import { defaultRetention, type Retention } from '@micro/broker';
import { MicroError } from '@micro/errors';
import type { LogLevel } from '@micro/telemetry';
import { type Address, type Environment, formatAddress } from './env.js';
import { type BrokerName, profiles, type StoreName } from './profiles.js';

/** Which adapters, with all that each needs to be opened: one union a block. The token of it in Nest. */
export abstract class Config {
  abstract readonly registry:
    | { readonly adapter: 'memory' }
    | { readonly adapter: 'mdns'; readonly interface: string; readonly port: number; readonly fallbackFile: string }
    | { readonly adapter: 'remote'; readonly address: string };
  abstract readonly broker: { readonly adapter: 'memory' } | { readonly adapter: 'http'; readonly host: string } | { readonly adapter: 'remote' };
  abstract readonly events:
    | { readonly adapter: 'memory'; readonly retention: Retention }
    | { readonly adapter: 'log'; readonly folder: string; readonly retention: Retention }
    | { readonly adapter: 'remote' };
  abstract readonly store: { readonly adapter: 'memory' } | { readonly adapter: 'file'; readonly folder: string } | { readonly adapter: 'remote' };
  abstract readonly blobs: { readonly adapter: 'memory' } | { readonly adapter: 'directory'; readonly folder: string } | { readonly adapter: 'remote' };
  abstract readonly locks: { readonly adapter: 'memory' } | { readonly adapter: 'file'; readonly folder: string } | { readonly adapter: 'remote' };
  abstract readonly runtime: { readonly adapter: 'process'; readonly home: string } | { readonly adapter: 'remote' };
  /** Milliseconds, of a stop in good order. */
  abstract readonly stop: { readonly delay: number; readonly grace: number };
  /** Bytes of one message, and of the body of a request to the gateway, which becomes one. */
  abstract readonly limits: { readonly messageBytes: number; readonly bodyBytes: number };
  abstract readonly log: { readonly level: LogLevel; readonly format: 'pretty' | 'json' };
}

/** Where each platform app listens unless told otherwise; always on loopback. */
export const defaultPorts = { api: 8080, proxy: 8081, registry: 8000, store: 8002, broker: 8003, runtime: 8088 } as const;

/** Environment → configuration: pure. Throws MicroError `invalid_argument` for a contradiction. */
export function configOf(environment: Environment): Config {
  const row = profiles[environment.profile];
  const registry = environment.registry ?? row.registry;
  if (environment.registryAddress && (environment.registry === 'memory' || environment.registry === 'mdns')) {
    const address = formatAddress(environment.registryAddress);
    throw new MicroError(
      'invalid_argument',
      `MICRO_REGISTRY_ADDRESS=${address} contradicts MICRO_REGISTRY=${registry}, which has no server; leave one out, or set MICRO_REGISTRY=remote`,
    );
  }
  const { messageLimit, apiBodyLimit = messageLimit } = environment;
  if (apiBodyLimit > messageLimit) {
    throw new MicroError(
      'invalid_argument',
      `MICRO_API_BODY_LIMIT=${apiBodyLimit} contradicts MICRO_MESSAGE_LIMIT=${messageLimit}: a body becomes a message; set MICRO_MESSAGE_LIMIT=${apiBodyLimit}, here and for the services, or leave MICRO_API_BODY_LIMIT out`,
    );
  }
  return {
    registry: registryConfig(registry, environment),
    ...brokerConfig(environment.broker ?? row.broker, environment),
    ...storeConfig(environment.store ?? row.store, environment),
    runtime: (environment.runtime ?? row.runtime) === 'remote' ? { adapter: 'remote' } : { adapter: 'process', home: environment.home },
    // The memory adapter's watchers know before deregistering returns.
    stop: { delay: environment.stopDelay ?? (registry === 'memory' ? 0 : 400), grace: environment.stopGrace },
    limits: { messageBytes: messageLimit, bodyBytes: apiBodyLimit },
    log: { level: environment.logLevel ?? (environment.profile === 'test' ? 'warn' : 'info'), format: environment.logFormat },
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

/** Of the broker, and of the events that come with it. */
function brokerConfig(adapter: BrokerName, environment: Environment): Pick<Config, 'broker' | 'events'> {
  const retention = { age: environment.eventsAge ?? defaultRetention.age, bytes: environment.eventsBytes ?? defaultRetention.bytes };
  switch (adapter) {
    case 'memory':
      return { broker: { adapter }, events: { adapter, retention } };
    case 'http':
      // Subscribers are reached as far as they are heard of.
      return { broker: { adapter, host: environment.mdnsInterface }, events: { adapter: 'log', folder: join(environment.home, 'events'), retention } };
    case 'remote':
      return { broker: { adapter }, events: { adapter } };
  }
}

/** Of the store, and of the blobs and locks that come with it. */
function storeConfig(adapter: StoreName, { home }: Environment): Pick<Config, 'store' | 'blobs' | 'locks'> {
  switch (adapter) {
    case 'memory':
    case 'remote':
      return { store: { adapter }, blobs: { adapter }, locks: { adapter } };
    case 'file':
      return {
        store: { adapter, folder: join(home, 'store') },
        blobs: { adapter: 'directory', folder: join(home, 'blobs') },
        locks: { adapter, folder: join(home, 'locks') },
      };
  }
}

export function onLoopback(port: number): Address {
  return { host: '127.0.0.1', port };
}
