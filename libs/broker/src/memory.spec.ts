import { brokerContract } from './broker.contract.js';
import { brokerCapabilities } from './capabilities.js';
import { MemoryBroker } from './memory.js';

brokerContract('memory', { capabilities: brokerCapabilities.memory, open: async () => new MemoryBroker() });
