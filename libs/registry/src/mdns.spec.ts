import { openMdns } from './mdns.js';
import { freeUdpPort, outsideProcess } from './outside-process.js';
import { registryContract } from './registry.contract.js';

registryContract('mdns', { crossProcess: true }, async () => {
  const config = { adapter: 'mdns', port: await freeUdpPort(), fallbackFile: '/nonexistent/registry.json' } as const;
  return {
    open: () => openMdns(config),
    registerElsewhere: (service, ttl) => outsideProcess(config, { service, ttl }),
    close: async () => undefined,
  };
});
