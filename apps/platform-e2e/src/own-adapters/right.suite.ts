import { MemoryLocks, MemoryRegistry } from '@micro/service/adapter';
import {
  blobsContract,
  brokerContract,
  eventsContract,
  locksContract,
  registryContract,
} from '@micro/service/contract';
import { OwnBlobs } from './own-blobs.js';
import { OwnBroker, OwnEvents } from './own-messages.js';
import { OwnRegistry } from './own-registry.js';

const alone = { survives: 'nothing', shared: 'instance' } as const;

blobsContract('own', { capabilities: alone, open: async () => new OwnBlobs() });
brokerContract('own', { capabilities: alone, open: async () => new OwnBroker() });
eventsContract('own', { capabilities: alone, open: async (retention) => new OwnEvents(retention) });
locksContract('own', { capabilities: alone, open: async () => new MemoryLocks() });
registryContract('own', { crossProcess: false }, async () => {
  const shared = new MemoryRegistry();
  return {
    open: async () => new OwnRegistry(shared),
    // No other process sees what is in the memory of this one.
    registerElsewhere: async () => ({ kill: async () => undefined }),
    close: () => shared.close(),
  };
});
