import type { NatsOptions } from '@micro/nats';
import type { Registry } from '@micro/registry';
import type { Client } from '@micro/rpc';
import type { Broker } from './broker.js';
import { MemoryBroker } from './memory.js';

/** Which adapter, with all that it needs. What is given stays open. */
export type BrokerConfig =
  | { readonly adapter: 'memory' }
  | {
      readonly adapter: 'http';
      /** Where subscribers are found. */
      readonly registry: Registry;
      /** Address that subscriptions are posted to; default 127.0.0.1. */
      readonly host?: string;
      /** Told, in plain words, what does not work. Default: a process warning. */
      readonly warn?: (message: string) => void;
    }
  | ({ readonly adapter: 'nats' } & Omit<NatsOptions, 'id'>)
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the broker that the configuration names; an adapter is loaded only when chosen. */
export async function openBroker(config: BrokerConfig): Promise<Broker> {
  switch (config.adapter) {
    case 'memory':
      return new MemoryBroker();
    case 'http': {
      const { HttpBroker } = await import('./http.js');
      return new HttpBroker(config);
    }
    case 'nats': {
      const { openNatsBroker } = await import('./nats.js');
      return openNatsBroker(config);
    }
    case 'remote': {
      const { RemoteBroker } = await import('./remote.js');
      return new RemoteBroker(config.client);
    }
  }
}
