import type { Client } from '@micro/rpc';
import type { Events, Retention } from './events.js';
import type { JetstreamOptions } from './jetstream.js';
import { MemoryEvents } from './memory.js';

/** Which adapter, with all that it needs. */
export type EventsConfig =
  | { readonly adapter: 'memory'; readonly retention?: Retention }
  /** One file a namespace. */
  | { readonly adapter: 'log'; readonly folder: string; readonly retention?: Retention }
  | ({ readonly adapter: 'jetstream' } & JetstreamOptions)
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the events that the configuration names; an adapter is loaded only when chosen. */
export async function openEvents(config: EventsConfig): Promise<Events> {
  switch (config.adapter) {
    case 'memory':
      return new MemoryEvents(config);
    case 'log': {
      const { LogEvents } = await import('./log.js');
      return new LogEvents(config);
    }
    case 'jetstream': {
      const { JetstreamEvents } = await import('./jetstream.js');
      return JetstreamEvents.open(config);
    }
    case 'remote': {
      const { RemoteEvents } = await import('./remote.js');
      return new RemoteEvents(config.client);
    }
  }
}
