import { MicroError } from '@micro/errors';
import type { Client } from '@micro/rpc';
import type { Events, Retention } from './events.js';

/** Which adapter, with all that it needs. */
export type EventsConfig =
  | { readonly adapter: 'memory'; readonly retention?: Retention }
  /** One file a namespace. */
  | { readonly adapter: 'log'; readonly folder: string; readonly retention?: Retention }
  | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the events that the configuration names; an adapter is loaded only when chosen. */
export async function openEvents(config: EventsConfig): Promise<Events> {
  throw new MicroError('unimplemented', `the adapter ${config.adapter} of events is not in this build`);
}
