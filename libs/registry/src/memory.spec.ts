import { Catalog } from './catalog.js';
import { MemoryRegistry } from './memory.js';
import { outsideProcess } from './outside-process.js';
import { registryContract } from './registry.contract.js';

registryContract('memory', { crossProcess: false }, async () => {
  const catalog = new Catalog();
  return {
    open: async () => new MemoryRegistry(catalog),
    registerElsewhere: (service, ttl) => outsideProcess({ adapter: 'memory' }, { service, ttl }),
    close: async () => catalog.close(),
  };
});
