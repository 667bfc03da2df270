import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openRegistry, type Registry } from '@micro/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { patience } from './broker.js';
import { HttpBroker } from './http.js';
import { newSubscription, toService } from './http-topic.js';

const soon = { timeout: 10_000, interval: 5 };
const numbers = Array.from({ length: 60 }, (_, index) => index);

let registry: Registry;
let broker: HttpBroker;
let server: Server | undefined;

beforeEach(async () => {
  registry = await openRegistry({ adapter: 'memory' });
  broker = new HttpBroker({ registry });
});
afterEach(async () => {
  await broker.close();
  await registry.close();
  server?.close();
  server?.closeAllConnections();
});

/** Registers somebody who is no subscriber at all, though the registry says so. */
async function register(
  queue: string | undefined,
  answer: { status: number; text: string } | undefined,
): Promise<void> {
  server = createServer((request, response) => {
    if (!answer) return void request.socket.destroy();
    request.resume().on('end', () => response.writeHead(answer.status).end(answer.text));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await registry.register(
    toService({ topic: 'orders', queue, subscription: newSubscription(), address: `127.0.0.1:${port}` }),
  );
}

/** Publishes each number; how often that was held up. One time may be a machine that is busy. */
async function publishAll(): Promise<number> {
  let held = 0;
  for (const number of numbers) {
    const begin = performance.now();
    await broker.publish('orders', { body: Uint8Array.of(number) });
    if (performance.now() - begin > patience * 0.8) held++;
  }
  return held;
}

async function heard(queue?: string): Promise<number[]> {
  const subscription = await broker.subscribe('orders', { queue });
  const bodies: number[] = [];
  const read = async () => {
    for await (const { body } of subscription) bodies.push(body[0] ?? -1);
  };
  void read();
  return bodies;
}

describe('where a subscriber was, and is no more', () => {
  it.each([
    { status: 404, text: 'not found' },
    { status: 500, text: 'internal error' },
    { status: 200, text: '<html>' },
  ])('another program that answers $status costs its queue nothing, and holds nobody up', async (answer) => {
    await register('q', answer);
    const [member, other] = [await heard('q'), await heard()];
    expect(await publishAll()).toBeLessThanOrEqual(1);
    await expect.poll(() => member, soon).toEqual(numbers);
    await expect.poll(() => other, soon).toEqual(numbers);
  });

  it('one that hangs up loses what it was sent, and holds nobody up', async () => {
    await register('q', undefined);
    const [member, other] = [await heard('q'), await heard()];
    expect(await publishAll()).toBeLessThanOrEqual(1);
    await expect.poll(() => other, soon).toEqual(numbers);
    expect(member).toEqual([...new Set(member)].sort((one, next) => one - next));
  });

  it('one that answers 500 and is alone holds its publisher up as little', async () => {
    await register(undefined, { status: 500, text: '' });
    const other = await heard();
    expect(await publishAll()).toBeLessThanOrEqual(1);
    await expect.poll(() => other, soon).toEqual(numbers);
  });
});
