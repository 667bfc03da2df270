import { haveTool, natsTool, startNats } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { brokerContract } from './broker.contract.js';
import { brokerCapabilities } from './capabilities.js';
import { openBroker } from './open.js';

describe.skipIf(!haveTool(natsTool))('with a cluster of three', () => {
  let cluster: Awaited<ReturnType<typeof startNats>>;
  let opened = 0;
  beforeAll(async () => void (cluster = await startNats({ members: 3 })));
  afterAll(() => cluster[Symbol.asyncDispose]());

  // Each on another member.
  brokerContract('nats', {
    capabilities: brokerCapabilities.nats,
    open: () => openBroker({ adapter: 'nats', servers: [cluster.addresses[opened++ % 3] as string] }),
  });
});
