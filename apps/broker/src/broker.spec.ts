import { type Broker, openBroker } from '@micro/broker';
import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import { openRegistry, type Registry } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { silentLogger } from '@micro/telemetry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { brokerApp } from './broker.app.js';

const soon = { timeout: 10_000, interval: 10 };
const text = (body: Uint8Array) => new TextDecoder().decode(body);

describe('the broker app', () => {
  let app: RunningApp;
  let registry: Registry;
  let client: Client;
  let broker: Broker;

  beforeEach(async () => {
    registry = await openRegistry({ adapter: 'memory' });
    const environment = readEnvironment({
      MICRO_PROFILE: 'test',
      MICRO_ADDRESS: '127.0.0.1:0',
      MICRO_HOME: '/nonexistent',
      MICRO_STOP_DELAY: '0',
    });
    app = await startApp(brokerApp, { environment, registry, logger: silentLogger });
    client = new Client({ discovery: fixedTargets(app.address) });
    broker = await openBroker({ adapter: 'remote', client });
  });
  afterEach(async () => {
    await broker.close();
    await client.close();
    await app.stop();
    await registry.close();
  });

  const post = async (method: string, body: unknown, namespace = 'micro') => {
    const response = await fetch(`http://${app.address}/broker.Broker/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'micro-namespace': namespace },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const heard = async (topic: string, namespace?: string) => {
    const subscription = await broker.subscribe(topic, { namespace });
    const texts: string[] = [];
    const read = async () => {
      for await (const { body } of subscription) texts.push(text(body));
    };
    return { texts, done: read() };
  };

  it('is registered, and shared by all namespaces', async () => {
    const [service] = await registry.get('broker');
    expect(service?.nodes[0]).toMatchObject({ address: app.address, metadata: { shared: 'true' } });
    expect(service?.endpoints.map(({ path }) => path)).toContain('/broker.Broker/Subscribe');
  });

  it('takes messages by curl, in the namespace of the call', async () => {
    const [one, other] = [await heard('orders', 'curl'), await heard('orders', 'other')];
    const subscription = await broker.subscribe('orders', { namespace: 'curl' });
    const message = { topic: 'orders', headers: { 'Content-Type': 'text/plain' }, body: btoa('hello') };
    expect(await post('Publish', message, 'curl')).toEqual({ status: 200, body: {} });
    expect(await post('PublishAll', { messages: [message, message] }, 'curl')).toEqual({ status: 200, body: {} });
    await expect.poll(() => one.texts, soon).toEqual(['hello', 'hello', 'hello']);
    for await (const { headers } of subscription) {
      expect(headers).toEqual({ 'content-type': 'text/plain' });
      break;
    }
    expect(other.texts).toEqual([]);
    expect((await post('Topics', {}, 'curl')).body).toEqual({ topics: ['orders'] });
    expect((await post('Topics', {}, 'third')).body).toEqual({});
  });

  it.each([
    ['no topic', {}, 'topic has no name'],
    ['a topic that cannot be', { topic: '../x' }, 'name of the topic "../x"'],
    ['a name of 10,000 characters', { topic: 'x'.repeat(10_000) }, 'longer than 200'],
    [
      'too large a body',
      { topic: 'a', body: Buffer.alloc(1024 * 1024 + 1).toString('base64') },
      'at most 1048576 bytes',
    ],
    ['a header that cannot be', { topic: 'a', headers: { 'a b': '' } }, 'header name "a b"'],
    ['a body that is no base64', { topic: 'a', body: '*' }, ''],
    ['what is no JSON', '{"topic":', ''],
  ])('refuses %s', async (_what, body, reason) => {
    const answer = await post('Publish', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    expect(answer.body['message']).toContain(reason);
  });

  it('refuses namespaces that cannot be, and more than a message may have', async () => {
    expect(await post('Topics', {}, 'a/../b')).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    const tooMuch = { topic: 'a', body: 'A'.repeat(8 * 1024 * 1024) };
    expect(await post('Publish', tooMuch)).toMatchObject({ status: 429, body: { code: 'resource_exhausted' } });
  });

  it('ends what nobody knows without an error', async () => {
    expect(await post('Unsubscribe', { subscription: 'nobody' })).toEqual({ status: 200, body: {} });
  });

  it('forgets subscribers who go away without a word', async () => {
    const leaving = new Client({ discovery: fixedTargets(app.address) });
    const gone = await openBroker({ adapter: 'remote', client: leaving });
    await gone.subscribe('orders', { queue: 'q' });
    expect(await broker.topics()).toEqual(['orders']);
    await leaving.close();
    await expect.poll(() => broker.topics(), soon).toEqual([]);
    await gone.close();
  });

  it('stops while there are subscribers, who are back with the next one', async () => {
    const orders = await heard('orders');
    const { address } = app;
    await app.stop();
    await expect(broker.publish('orders', {})).rejects.toMatchObject({ code: 'unavailable' });
    await expect(broker.subscribe('orders')).rejects.toMatchObject({ code: 'unavailable' });
    const environment = readEnvironment({
      MICRO_PROFILE: 'test',
      MICRO_ADDRESS: address,
      MICRO_HOME: '/nonexistent',
      MICRO_STOP_DELAY: '0',
    });
    app = await startApp(brokerApp, { environment, registry, logger: silentLogger });
    await expect.poll(() => broker.topics().catch(() => []), soon).toEqual(['orders']);
    await broker.publish('orders', { body: new TextEncoder().encode('again') });
    await expect.poll(() => orders.texts, soon).toEqual(['again']);
    await broker.close();
    await orders.done;
  });
});
