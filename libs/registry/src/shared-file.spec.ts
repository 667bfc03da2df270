import { join } from 'node:path';
import { temporaryFolder } from '@micro/testing';
import { outsideProcess } from './outside-process.js';
import { registryContract } from './registry.contract.js';
import { SharedFileRegistry } from './shared-file.js';

registryContract('shared file', { crossProcess: true }, async () => {
  const folder = await temporaryFolder();
  const fallbackFile = join(folder.path, 'registry.json');
  return {
    open: async () => new SharedFileRegistry(fallbackFile),
    // An interface that no machine has: multicast cannot work.
    registerElsewhere: (service, ttl) =>
      outsideProcess({ adapter: 'mdns', interface: '203.0.113.1', fallbackFile }, { service, ttl }),
    close: async () => folder[Symbol.asyncDispose](),
  };
});
