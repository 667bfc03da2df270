import { brokerProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { afterAll, beforeAll } from 'vitest';
import { brokerContract } from './broker.contract.js';
import { brokerCapabilities } from './capabilities.js';
import { BrokerHandlers } from './handlers.js';
import { MemoryBroker } from './memory.js';
import { RemoteBroker } from './remote.js';

const broker = new MemoryBroker();
const handlers = new BrokerHandlers(broker);
const server = new RpcServer({ name: 'broker', port: 0 }).add(brokerProto.Broker, {
  publish: (request, context) => handlers.publish(request, context),
  publishAll: (request, context) => handlers.publishAll(request, context),
  subscribe: (request, context) => handlers.subscribe(request, context),
  unsubscribe: (request) => handlers.unsubscribe(request),
  topics: (request, context) => handlers.topics(request, context),
});
let client: Client;

beforeAll(async () => {
  const { host, port } = await server.listen();
  client = new Client({ discovery: fixedTargets(`${host}:${port}`) });
});
afterAll(async () => {
  await client.close();
  await server.close();
  await broker.close();
});

brokerContract('remote', { capabilities: brokerCapabilities.remote, open: async () => new RemoteBroker(client) });
