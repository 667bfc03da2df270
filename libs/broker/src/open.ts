import { MicroError } from '@micro/errors';
import type { Registry } from '@micro/registry';
import type { Client } from '@micro/rpc';
import type { Broker } from './broker.js';

/** Which adapter, with all that it needs. */
export type BrokerConfig =
  | { readonly adapter: 'memory' }
  | {
      readonly adapter: 'http';
      /** Where subscribers are found; stays open when the broker closes. */
      readonly registry: Registry;
      /** Where subscribers listen. Default 127.0.0.1. */
      readonly host?: string;
      readonly warn?: (message: string) => void;
    }
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the broker that the configuration names; an adapter is loaded only when chosen. */
export async function openBroker(config: BrokerConfig): Promise<Broker> {
  if (config.adapter === 'memory') return new (await import('./memory.js')).MemoryBroker();
  throw new MicroError('unimplemented', `the adapter ${config.adapter} of the broker is not in this build`);
}
