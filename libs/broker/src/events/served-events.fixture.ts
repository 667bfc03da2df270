import { eventsProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import type { Events } from './events.js';
import { EventsHandlers } from './handlers.js';

/** For specs: events as apps/broker serves them, and a client for them. */
export interface ServedEvents {
  /** `host:port`. */
  readonly address: string;
  readonly client: Client;
  /** Closed by whoever asks for it. */
  another(): Client;
  /** Ends every connection. */
  stop(): Promise<void>;
  /** The same, and comes back at the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function serveEvents(events: Events): Promise<ServedEvents> {
  let served = await serve(events, 0);
  const { port } = served;
  const address = `127.0.0.1:${port}`;
  const another = () => new Client({ discovery: fixedTargets(address) });
  const client = another();
  return {
    address,
    client,
    another,
    stop: () => served.stop(),
    restart: async () => {
      await served.stop();
      served = await serve(events, port);
    },
    close: async () => {
      await client.close();
      await served.stop();
      await events.close();
    },
  };
}

async function serve(events: Events, wanted: number) {
  const handlers = new EventsHandlers(events);
  const server = new RpcServer({ name: 'broker', port: wanted }).add(eventsProto.Events, {
    publish: (request, context) => handlers.publish(request, context),
    read: (request, context) => handlers.read(request, context),
    follow: (request, context) => handlers.follow(request, context),
    consume: (requests, context) => handlers.consume(requests, context),
    streams: (request, context) => handlers.streams(request, context),
    deadLetters: (request, context) => handlers.deadLetters(request, context),
    replay: (request, context) => handlers.replay(request, context),
    drop: (request, context) => handlers.drop(request, context),
  });
  const { port } = await server.listen();
  const stop = async () => {
    handlers.stop();
    await server.close();
  };
  return { port, stop };
}
