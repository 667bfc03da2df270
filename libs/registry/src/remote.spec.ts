import { registryProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { RegistryHandlers } from './handlers.js';
import { MemoryRegistry } from './memory.js';
import { outsideProcess } from './outside-process.js';
import { registryContract } from './registry.contract.js';
import { RemoteRegistry } from './remote.js';

registryContract('remote', { crossProcess: true }, async () => {
  const handlers = new RegistryHandlers(new MemoryRegistry(), 'epoch');
  const server = new RpcServer({ name: 'registry', port: 0 }).add(registryProto.Registry, {
    register: (request, context) => handlers.register(request, context),
    deregister: (request, context) => handlers.deregister(request, context),
    getService: (request, context) => handlers.getService(request, context),
    listServices: (request, context) => handlers.listServices(request, context),
    watch: (request, context) => handlers.watch(request, context),
  });
  const { host, port } = await server.listen();
  const address = `${host}:${port}`;
  const client = new Client({ discovery: fixedTargets(address) });
  return {
    open: async () => new RemoteRegistry(client),
    registerElsewhere: (service, ttl) => outsideProcess({ adapter: 'remote', address }, { service, ttl }),
    close: async () => {
      await client.close();
      await server.close();
    },
  };
});
