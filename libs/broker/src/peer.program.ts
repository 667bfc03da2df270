/**
 * For specs: a process of its own that publishes and subscribes as it is told over IPC. Arguments: `http`, UDP port of mDNS, fallback file; or
 * `nats` and addresses of servers; or `remote` and the address of who serves a broker.
 */
import { openRegistry } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { type Broker, patience, type Subscription } from './broker.js';
import { openBroker } from './open.js';

export type Order =
  | {
      readonly do: 'subscribe';
      readonly id: number;
      readonly topic: string;
      readonly queue?: string;
      readonly as: string;
    }
  | { readonly do: 'unsubscribe'; readonly id: number; readonly as: string }
  | { readonly do: 'publish'; readonly id: number; readonly topic: string; readonly texts: readonly string[] };

export type Report =
  | { readonly done: number; readonly held: number }
  | { readonly failed: number; readonly detail: string }
  | { readonly got: string; readonly as: string };

async function main(): Promise<void> {
  const broker = await opened();
  process.on('message', (order: Order) => {
    obey(broker, order).then(
      (held) => tell({ done: order.id, held }),
      (error: Error) => tell({ failed: order.id, detail: error.message }),
    );
  });
  process.send?.({ ready: true, address: 'none' });
}

async function opened(): Promise<Broker> {
  const [adapter, ...places] = process.argv.slice(2);
  if (adapter === 'nats') return openBroker({ adapter, servers: places, warn: () => undefined });
  if (adapter === 'remote')
    return openBroker({ adapter, client: new Client({ discovery: fixedTargets(String(places[0])) }) });
  const [port, fallbackFile = ''] = places;
  const registry = await openRegistry({ adapter: 'mdns', port: Number(port), fallbackFile });
  return openBroker({ adapter: 'http', registry });
}

const subscriptions = new Map<string, Subscription>();

/** How many publishes were held up for about as long as patience lasts. */
async function obey(broker: Broker, order: Order): Promise<number> {
  if (order.do === 'unsubscribe') {
    await subscriptions.get(order.as)?.close();
    return 0;
  }
  if (order.do === 'subscribe') {
    const subscription = await broker.subscribe(order.topic, { queue: order.queue });
    subscriptions.set(order.as, subscription);
    const read = async () => {
      for await (const { body } of subscription) tell({ got: new TextDecoder().decode(body), as: order.as });
    };
    void read();
    return 0;
  }
  let held = 0;
  for (const text of order.texts) {
    const begin = performance.now();
    await broker.publish(order.topic, { body: new TextEncoder().encode(text) });
    if (performance.now() - begin > patience * 0.8) held++;
  }
  return held;
}

function tell(report: Report): void {
  process.send?.(report);
}

void main();
