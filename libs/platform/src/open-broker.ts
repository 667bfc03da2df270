import { type Broker, type Events, openBroker, openEvents } from '@micro/broker';
import { connection, natsPackages, requireSqlite, type Surroundings, withPackages } from './surroundings.js';

// Bundles of apps that do not import @micro/broker get this file without what it imports: see tools/build/bundle.mjs.

export async function openBrokerOf(around: Surroundings): Promise<Broker> {
  const { config, registry } = around;
  const { broker } = config;
  switch (broker.adapter) {
    case 'memory':
      return openBroker(broker);
    case 'http':
      return openBroker({ ...broker, registry, warn: (message) => around.warn(message) });
    case 'nats':
      return withPackages(natsPackages, () => openBroker({ ...broker, ...connection(around) }));
    case 'remote':
      return openBroker({ ...broker, client: around.client });
  }
}

export async function openEventsOf(around: Surroundings): Promise<Events> {
  const { events } = around.config;
  switch (events.adapter) {
    case 'memory':
      return openEvents(events);
    case 'log':
      await requireSqlite('MICRO_BROKER');
      return openEvents(events);
    case 'jetstream':
      return withPackages(natsPackages, () => openEvents({ ...events, ...connection(around) }));
    case 'remote':
      return openEvents({ ...events, client: around.client });
  }
}
