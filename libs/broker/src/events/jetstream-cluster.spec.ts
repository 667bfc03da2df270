import { haveTool, natsTool, type NatsServers, startNats } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { eventsCapabilities } from '../capabilities.js';
import { eventsContract } from './events.contract.js';
import { JetstreamEvents } from './jetstream.js';

const replicas = 3;

describe.skipIf(!haveTool(natsTool))('with three real servers', () => {
  let nats: NatsServers;
  let opened = 0;
  beforeAll(async () => {
    nats = await startNats({ members: replicas, config: 'max_payload: 2MB' });
  }, 60_000);
  afterAll(() => nats[Symbol.asyncDispose]());

  eventsContract('jetstream in a cluster', {
    capabilities: eventsCapabilities.jetstream,
    // One after the other, so that those of a test are at different members.
    open: (retention) => {
      const server = nats.addresses[opened++ % replicas] ?? '';
      return JetstreamEvents.open({ servers: [server], replicas, retention });
    },
  });
});
