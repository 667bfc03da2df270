import { storeCapabilities } from './capabilities.js';
import { openStore } from './open.js';
import { storeContract } from './store.contract.js';

storeContract('memory', { capabilities: storeCapabilities.memory, open: () => openStore({ adapter: 'memory' }) });
