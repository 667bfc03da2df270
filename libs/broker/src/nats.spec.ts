import { haveTool, natsTool, startNats } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { brokerContract } from './broker.contract.js';
import { brokerCapabilities } from './capabilities.js';
import { openBroker } from './open.js';

describe.skipIf(!haveTool(natsTool))('with a real server', () => {
  let server: Awaited<ReturnType<typeof startNats>>;
  beforeAll(async () => void (server = await startNats()));
  afterAll(() => server[Symbol.asyncDispose]());

  brokerContract('nats', {
    capabilities: brokerCapabilities.nats,
    open: () => openBroker({ adapter: 'nats', servers: server.addresses }),
  });
});
