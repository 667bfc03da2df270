import { Client, fixedTargets } from '@micro/rpc';
import { afterAll, beforeAll } from 'vitest';
import { brokerContract } from './broker.contract.js';
import { brokerCapabilities } from './capabilities.js';
import { MemoryBroker } from './memory.js';
import { RemoteBroker } from './remote.js';
import { serveBroker, type ServedBroker } from './served-broker.fixture.js';

const broker = new MemoryBroker();
let served: ServedBroker;
let client: Client;

beforeAll(async () => {
  served = await serveBroker(broker);
  client = new Client({ discovery: fixedTargets(served.address) });
});
afterAll(async () => {
  await client.close();
  await served.close();
  await broker.close();
});

brokerContract('remote', { capabilities: brokerCapabilities.remote, open: async () => new RemoteBroker(client) });
