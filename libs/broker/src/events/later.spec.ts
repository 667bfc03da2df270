import { eventsCapabilities } from '../capabilities.js';
import { eventsContract } from './events.contract.js';
import { LaterEvents } from './later.js';
import { openEvents } from './open.js';

eventsContract('later', {
  capabilities: eventsCapabilities.memory,
  open: async (retention) => new LaterEvents(() => openEvents({ adapter: 'memory', retention })),
});
