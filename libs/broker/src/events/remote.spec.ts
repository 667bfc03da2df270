import { afterAll, beforeAll } from 'vitest';
import { eventsCapabilities } from '../capabilities.js';
import { eventsContract } from './events.contract.js';
import type { Retention } from './events.js';
import { MemoryEvents } from './memory.js';
import { RemoteEvents } from './remote.js';
import { serveEvents, type ServedEvents } from './served-events.fixture.js';

const serving: ServedEvents[] = [];
const serve = async (retention?: Retention) => {
  const served = await serveEvents(new MemoryEvents({ retention }));
  serving.push(served);
  return served;
};
let served: ServedEvents;

beforeAll(async () => {
  served = await serve();
});
afterAll(() => Promise.all(serving.map((one) => one.close())));

eventsContract('remote', {
  capabilities: eventsCapabilities.remote,
  open: async (retention) => new RemoteEvents((retention ? await serve(retention) : served).client),
});
