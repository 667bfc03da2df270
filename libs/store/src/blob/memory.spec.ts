import { blobCapabilities } from '../capabilities.js';
import { blobsContract } from './blobs.contract.js';
import { MemoryBlobs } from './memory.js';

blobsContract('memory', { capabilities: blobCapabilities.memory, open: async () => new MemoryBlobs() });
