import { join } from 'node:path';
import { type BrokerConfig, defaultRetention, type EventsConfig, type Retention } from '@micro/broker';
import { MicroError } from '@micro/errors';
import type { RegistryConfig } from '@micro/registry';
import type { BlobsConfig, LocksConfig, StoreConfig } from '@micro/store';
import type { LogLevel } from '@micro/telemetry';
import { formatAddress, onLoopback } from './address.js';
import { contradictions } from './contradictions.js';
import type { Environment } from './env.js';
import { type BrokerName, type LocksName, profiles, type StoreName } from './profiles.js';

/** Which adapters, with all that each needs to be opened: one union a block. The token of it in Nest. */
export abstract class Config {
  abstract readonly registry:
    | { readonly adapter: 'memory' }
    | { readonly adapter: 'mdns'; readonly interface: string; readonly port: number; readonly fallbackFile: string }
    | Extract<RegistryConfig, { readonly adapter: 'etcd' }>
    | { readonly adapter: 'remote'; readonly address: string };
  abstract readonly broker:
    | { readonly adapter: 'memory' }
    | { readonly adapter: 'http'; readonly host: string }
    | Extract<BrokerConfig, { readonly adapter: 'nats' }>
    | { readonly adapter: 'remote' };
  abstract readonly events:
    | { readonly adapter: 'memory'; readonly retention: Retention }
    | { readonly adapter: 'log'; readonly folder: string; readonly retention: Retention }
    | Extract<EventsConfig, { readonly adapter: 'jetstream' }>
    | { readonly adapter: 'remote' };
  abstract readonly store:
    | { readonly adapter: 'memory' }
    | { readonly adapter: 'file'; readonly folder: string }
    | Extract<StoreConfig, { readonly adapter: 'cockroach' }>
    | { readonly adapter: 'remote' };
  abstract readonly blobs:
    | { readonly adapter: 'memory' }
    | { readonly adapter: 'directory'; readonly folder: string }
    | Extract<BlobsConfig, { readonly adapter: 'nats' }>
    | { readonly adapter: 'remote' };
  abstract readonly locks:
    | { readonly adapter: 'memory' }
    | { readonly adapter: 'file'; readonly folder: string }
    | Extract<LocksConfig, { readonly adapter: 'etcd' | 'cockroach' }>
    | { readonly adapter: 'remote' };
  abstract readonly runtime: { readonly adapter: 'process'; readonly home: string } | { readonly adapter: 'remote' };
  /** Milliseconds, of a stop in good order. */
  abstract readonly stop: { readonly delay: number; readonly grace: number };
  /** Bytes of one message, and of the body of a request to the gateway, which becomes one. */
  abstract readonly limits: { readonly messageBytes: number; readonly bodyBytes: number };
  abstract readonly log: { readonly level: LogLevel; readonly format: 'pretty' | 'json' };
}

/** Where each platform app listens unless told otherwise; always on loopback. */
export const defaultPorts = {
  api: 8080,
  proxy: 8081,
  registry: 8000,
  store: 8002,
  broker: 8003,
  runtime: 8088,
} as const;

/** Environment → configuration: pure. Throws MicroError `invalid_argument` with one line for each contradiction. */
export function configOf(environment: Environment): Config {
  const row = profiles[environment.profile];
  const registry = environment.registry ?? row.registry;
  const problems = contradictions(environment);
  if (problems.length > 0) throw new MicroError('invalid_argument', problems.join('\n'));
  const { messageLimit, apiBodyLimit = messageLimit } = environment;
  return {
    registry: registryConfig(registry, environment),
    ...brokerConfig(environment.broker ?? row.broker, environment),
    ...storeConfig(environment.store ?? row.store, environment),
    locks: locksConfig(environment.locks ?? environment.store ?? row.store, environment),
    runtime:
      (environment.runtime ?? row.runtime) === 'remote'
        ? { adapter: 'remote' }
        : { adapter: 'process', home: environment.home },
    // The memory adapter's watchers know before deregistering returns.
    stop: { delay: environment.stopDelay ?? (registry === 'memory' ? 0 : 400), grace: environment.stopGrace },
    limits: { messageBytes: messageLimit, bodyBytes: apiBodyLimit },
    log: {
      level: environment.logLevel ?? (environment.profile === 'test' ? 'warn' : 'info'),
      format: environment.logFormat,
    },
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
    case 'etcd':
      return { adapter, ...etcdAccess(environment) };
    case 'remote':
      return { adapter, address: formatAddress(environment.registryAddress ?? onLoopback(defaultPorts.registry)) };
  }
}

/** Of the broker, and of the events that come with it. */
function brokerConfig(adapter: BrokerName, environment: Environment): Pick<Config, 'broker' | 'events'> {
  const retention = {
    age: environment.eventsAge ?? defaultRetention.age,
    bytes: environment.eventsBytes ?? defaultRetention.bytes,
  };
  switch (adapter) {
    case 'memory':
      return { broker: { adapter }, events: { adapter, retention } };
    case 'http':
      // Subscribers are reached as far as they are heard of.
      return {
        broker: { adapter, host: environment.mdnsInterface },
        events: { adapter: 'log', folder: join(environment.home, 'events'), retention },
      };
    case 'nats': {
      const nats = natsAccess(environment);
      const { natsReplicas: replicas } = environment;
      return { broker: { adapter, ...nats }, events: { adapter: 'jetstream', ...nats, replicas, retention } };
    }
    case 'remote':
      return { broker: { adapter }, events: { adapter } };
  }
}

/** Of the store, and of the blobs that come with it. */
function storeConfig(adapter: StoreName, environment: Environment): Pick<Config, 'store' | 'blobs'> {
  const { home, natsReplicas: replicas } = environment;
  switch (adapter) {
    case 'memory':
    case 'remote':
      return { store: { adapter }, blobs: { adapter } };
    case 'file':
      return {
        store: { adapter, folder: join(home, 'store') },
        blobs: { adapter: 'directory', folder: join(home, 'blobs') },
      };
    case 'cockroach':
      return {
        store: { adapter, ...cockroachAccess(environment) },
        blobs: { adapter: 'nats', ...natsAccess(environment), replicas },
      };
  }
}

function locksConfig(adapter: LocksName, environment: Environment): Config['locks'] {
  switch (adapter) {
    case 'memory':
    case 'remote':
      return { adapter };
    case 'file':
      return { adapter, folder: join(environment.home, 'locks') };
    case 'etcd':
      return { adapter, ...etcdAccess(environment) };
    case 'cockroach':
      return { adapter, ...cockroachAccess(environment) };
  }
}

function etcdAccess(environment: Environment) {
  const { etcdAddress, etcdUsername: username, etcdPassword: password } = environment;
  const { etcdCa: ca, etcdCert: cert, etcdKey: key } = environment;
  return { addresses: etcdAddress.map(formatAddress), username, password, tls: tlsOf({ ca, cert, key }) };
}

function cockroachAccess(environment: Environment) {
  const { cockroachUrl: url, cockroachPool: pool, cockroachTimeout: timeout } = environment;
  const { cockroachCa: ca, cockroachCert: cert, cockroachKey: key } = environment;
  return { url, ca, cert, key, pool, timeout };
}

function natsAccess(environment: Environment) {
  const { natsAddress, natsToken: token, natsNkey: nkey, natsCredentials: credentials } = environment;
  const { natsCa: ca, natsCert: cert, natsKey: key } = environment;
  return { servers: natsAddress.map(formatAddress), token, nkey, credentials, tls: tlsOf({ ca, cert, key }) };
}

/** Without any of them there is none. */
function tlsOf(pem: { readonly ca?: string; readonly cert?: string; readonly key?: string }) {
  return Object.values(pem).some((text) => text !== undefined) ? pem : undefined;
}
