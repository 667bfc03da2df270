import { Client, fixedTargets } from '@micro/rpc';
import type { Events } from './events.js';
import { type EventsConfig, openEvents } from './open.js';
import { RemoteEvents } from './remote.js';

/** Events as another process can be told of them: those that are served, by the address of who does. */
export type EventsPlace =
  Exclude<EventsConfig, { adapter: 'remote' }> | { readonly adapter: 'remote'; readonly address: string };

export async function openPlace(place: EventsPlace): Promise<Events> {
  return place.adapter === 'remote' ? new EventsAt(place.address) : openEvents(place);
}

/** With a client of its own. */
class EventsAt extends RemoteEvents {
  readonly #client: Client;

  constructor(address: string) {
    const client = new Client({ discovery: fixedTargets(address) });
    super(client);
    this.#client = client;
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#client.close();
  }
}
