/**
 * Messages of 100 bytes from one process to a subscriber in another: `broker-load.js http|nats micro|bare port folder seconds`, the port that of mDNS
 * or of a NATS server. `bare` posts each with node:http on connections kept alive, to a node:http server that answers 204; or publishes each with
 * the client of NATS and flushes. Prints one line of JSON: messages that came, a second, by how many were in flight.
 */
import { fork } from 'node:child_process';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { openBroker } from '@micro/broker';
import { openRegistry } from '@micro/registry';
import { connect } from '@nats-io/transport-node';

const [transport, side, port, folder, seconds] = process.argv.slice(2) as [
  'http' | 'nats',
  'micro' | 'bare',
  string,
  string,
  string,
];
const body = Buffer.alloc(100, 'm');
const inFlight = [1, 16, 64];

if (process.send) await subscribe();
else await publish();

async function microBroker() {
  if (transport === 'nats') return openBroker({ adapter: 'nats', servers: [`127.0.0.1:${port}`] });
  const registry = await openRegistry({
    adapter: 'mdns',
    port: Number(port),
    fallbackFile: `${folder}/registry-${port}.json`,
  });
  return openBroker({ adapter: 'http', registry });
}

/** Tells where it is to be reached, and how many messages have come whenever it is asked. */
async function subscribe(): Promise<void> {
  let came = 0;
  process.on('message', () => process.send?.({ came }));
  process.channel?.ref();
  if (side === 'micro') {
    const subscription = await (await microBroker()).subscribe('bench');
    process.send?.({ address: 0 });
    for await (const message of subscription) came += message.body.length === body.length ? 1 : 0;
    return;
  }
  if (transport === 'nats') {
    const bare = await connect({ port: Number(port) });
    bare.subscribe('bench', { callback: (_error, { data }) => void (came += data.length === body.length ? 1 : 0) });
    await bare.flush();
    process.send?.({ address: 0 });
    return;
  }
  const server = createServer((incoming, answer) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      came += Buffer.concat(parts).length === body.length ? 1 : 0;
      answer.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.({ address: (server.address() as AddressInfo).port }));
}

async function publish(): Promise<void> {
  const subscriber = fork(fileURLToPath(import.meta.url), process.argv.slice(2));
  const { address } = await heard<{ address: number }>();
  const send =
    side === 'micro' ? await microSender() : transport === 'nats' ? await bareNatsSender() : bareSender(address);
  const came = async () => {
    subscriber.send('count');
    return (await heard<{ came: number }>()).came;
  };
  const result: Record<string, number> = {};
  for (const count of inFlight) {
    await load(count, 500);
    const before = await came();
    const began = performance.now();
    await load(count, Number(seconds) * 1_000);
    result[`at${count}`] = (((await came()) - before) * 1_000) / (performance.now() - began);
  }
  console.log(JSON.stringify(result));
  subscriber.kill();
  process.exit(0);

  function heard<T>(): Promise<T> {
    return new Promise((resolve) => subscriber.once('message', (message) => resolve(message as T)));
  }

  async function load(count: number, ms: number): Promise<void> {
    const end = performance.now() + ms;
    const one = async () => {
      while (performance.now() < end) await send();
    };
    await Promise.all(Array.from({ length: count }, one));
  }
}

async function microSender(): Promise<() => Promise<void>> {
  const broker = await microBroker();
  return () => broker.publish('bench', { body });
}

async function bareNatsSender(): Promise<() => Promise<void>> {
  const bare = await connect({ port: Number(port) });
  return () => {
    bare.publish('bench', body);
    return bare.flush();
  };
}

function bareSender(address: number): () => Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: Math.max(...inFlight) });
  return () =>
    new Promise((resolve, reject) => {
      const sent = request({
        agent,
        host: '127.0.0.1',
        port: address,
        method: 'POST',
        path: '/',
        headers: { 'content-length': body.length },
      });
      sent.on('response', (answer) => answer.resume().once('end', resolve));
      sent.once('error', reject);
      sent.end(body);
    });
}
