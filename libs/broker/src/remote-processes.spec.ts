import { afterAll, beforeAll } from 'vitest';
import { MemoryBroker } from './memory.js';
import { processesContract } from './processes.contract.js';
import { serveBroker, type ServedBroker } from './served-broker.fixture.js';

const broker = new MemoryBroker();
let served: ServedBroker;
beforeAll(async () => void (served = await serveBroker(broker)));
afterAll(async () => {
  await served.close();
  await broker.close();
});

processesContract('remote', { args: async () => ['remote', served.address], handedTo: 'server' });
