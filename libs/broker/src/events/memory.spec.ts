import { eventsCapabilities } from '../capabilities.js';
import { eventsContract } from './events.contract.js';
import { MemoryEvents } from './memory.js';

eventsContract('memory', {
  capabilities: eventsCapabilities.memory,
  open: async (retention) => new MemoryEvents({ retention }),
});
