import { blobCapabilities } from '../capabilities.js';
import { blobsContract } from './blobs.contract.js';
import { LaterBlobs } from './later.js';
import { openBlobs } from './open.js';

blobsContract('later', {
  capabilities: blobCapabilities.memory,
  open: async () => new LaterBlobs(() => openBlobs({ adapter: 'memory' })),
});
