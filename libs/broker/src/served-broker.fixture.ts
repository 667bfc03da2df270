import { brokerProto } from '@micro/proto';
import { RpcServer } from '@micro/rpc';
import type { Broker } from './broker.js';
import { BrokerHandlers } from './handlers.js';

/** For specs: a broker as apps/broker serves it. */
export interface ServedBroker {
  /** `host:port`. */
  readonly address: string;
  /** The broker goes on. */
  close(): Promise<void>;
}

export async function serveBroker(broker: Broker): Promise<ServedBroker> {
  const handlers = new BrokerHandlers(broker);
  const server = new RpcServer({ name: 'broker', port: 0 }).add(brokerProto.Broker, {
    publish: (request, context) => handlers.publish(request, context),
    publishAll: (request, context) => handlers.publishAll(request, context),
    subscribe: (request, context) => handlers.subscribe(request, context),
    unsubscribe: (request) => handlers.unsubscribe(request),
    topics: (request, context) => handlers.topics(request, context),
  });
  const { host, port } = await server.listen();
  return { address: `${host}:${port}`, close: () => server.close() };
}
