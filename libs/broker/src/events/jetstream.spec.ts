import { haveTool, natsTool, type NatsServers, startNats } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { eventsCapabilities } from '../capabilities.js';
import { eventsContract } from './events.contract.js';
import { JetstreamEvents } from './jetstream.js';

describe.skipIf(!haveTool(natsTool))('with a real server', () => {
  let nats: NatsServers;
  beforeAll(async () => {
    nats = await startNats({ config: 'max_payload: 2MB' });
  }, 60_000);
  afterAll(() => nats[Symbol.asyncDispose]());

  eventsContract('jetstream', {
    capabilities: eventsCapabilities.jetstream,
    open: (retention) => JetstreamEvents.open({ servers: nats.addresses, retention }),
  });
});
