import { storeCapabilities } from './capabilities.js';
import { LaterStore } from './later.js';
import { openStore } from './open.js';
import { storeContract } from './store.contract.js';

storeContract('later', {
  capabilities: storeCapabilities.memory,
  open: async () => new LaterStore(() => openStore({ adapter: 'memory' })),
});
