import { type Events, openEvents } from '@micro/broker';
import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import { openRegistry, type Registry } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { silentLogger } from '@micro/telemetry';
import { temporaryFolder } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { brokerApp } from './broker.app.js';

const text = (body: Uint8Array) => new TextDecoder().decode(body);
const bytes = (body: string) => new TextEncoder().encode(body);

describe('the events of the broker app', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let app: RunningApp;
  let registry: Registry;
  let client: Client;
  let events: Events;

  const start = (address: string) => {
    const environment = readEnvironment({
      MICRO_PROFILE: 'test',
      MICRO_BROKER: 'http',
      MICRO_ADDRESS: address,
      MICRO_HOME: folder.path,
      MICRO_STOP_DELAY: '0',
    });
    return startApp(brokerApp, { environment, registry, logger: silentLogger });
  };
  beforeEach(async () => {
    folder = await temporaryFolder();
    registry = await openRegistry({ adapter: 'memory' });
    app = await start('127.0.0.1:0');
    client = new Client({ discovery: fixedTargets(app.address) });
    events = await openEvents({ adapter: 'remote', client });
  });
  afterEach(async () => {
    await events.close();
    await client.close();
    await app.stop();
    await registry.close();
    await folder[Symbol.asyncDispose]();
  });

  const post = async (method: string, body: unknown, namespace = 'micro') => {
    const response = await fetch(`http://${app.address}/broker.Events/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'micro-namespace': namespace },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('are registered, beside its messages', async () => {
    const [service] = await registry.get('broker');
    expect(service?.nodes.map(({ address }) => address)).toEqual([app.address]);
    const paths = service?.endpoints.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['/broker.Broker/Publish', '/broker.Events/Consume']));
  });

  it('are published and read by curl, in the namespace of the call', async () => {
    const event = { stream: 'orders', id: 'o1', headers: { 'Content-Type': 'text/plain' }, body: btoa('hello') };
    expect(await post('Publish', event, 'curl')).toEqual({ status: 200, body: { offset: '1', id: 'o1' } });
    expect((await post('Publish', event, 'curl')).body).toEqual({ offset: '1', id: 'o1', duplicate: true });
    const read = await post('Read', { stream: 'orders', from: { end: 'OLDEST' } }, 'curl');
    const kept = { stream: 'orders', offset: '1', id: 'o1', headers: { 'content-type': 'text/plain' } };
    expect(read).toMatchObject({ status: 200, body: { events: [{ ...kept, body: btoa('hello') }] } });
    expect((await post('Read', { stream: 'orders' }, 'other')).body).toEqual({});
    const { streams } = (await post('Streams', {}, 'curl')).body as { streams: readonly unknown[] };
    expect(streams).toMatchObject([{ stream: 'orders', events: '1', oldest: '1', newest: '1' }]);
    expect((await post('Streams', {}, 'other')).body).toEqual({});
  });

  it('are replayed and dropped by curl once a group gave up on them', async () => {
    for (const body of ['a', 'b']) await events.publish('orders', { body: bytes(body) });
    const consumer = await events.consume('orders', { group: 'mail' });
    let count = 0;
    for await (const delivery of consumer) {
      await delivery.reject('no such address');
      if (++count === 2) break;
    }
    expect((await post('Replay', { stream: 'orders', group: 'mail', offsets: ['1'] })).body).toEqual({ replayed: '1' });
    expect((await post('Drop', { stream: 'orders', group: 'mail' })).body).toEqual({ dropped: '1' });
    for await (const delivery of await events.consume('orders', { group: 'mail' })) {
      expect(text(delivery.event.body)).toBe('a');
      await delivery.ack();
      break;
    }
    expect(await events.deadLetters('orders')).toEqual([]);
  });

  it.each([
    ['no stream', 'Publish', {}, 'stream'],
    ['a stream that cannot be', 'Publish', { stream: '../x' }, '"../x"'],
    ['a name of 10,000 characters', 'Read', { stream: 'x'.repeat(10_000) }, 'longer than'],
    ['a limit that cannot be', 'Read', { stream: 'a', limit: 1_000_000 }, '1000000'],
    ['a header that cannot be', 'Publish', { stream: 'a', headers: { 'a b': '' } }, '"a b"'],
    ['what is no JSON', 'Publish', '{"stream":', ''],
    ['a replay of no group', 'Replay', { stream: 'a' }, 'group'],
  ])('refuse %s', async (_what, method, body, reason) => {
    const answer = await post(method, body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    expect(answer.body['message']).toContain(reason);
  });

  it('are there again, and followed and consumed on, when the app is back', async () => {
    const followed: string[] = [];
    const consumed: string[] = [];
    const follow = async () => {
      for await (const { body } of events.follow('orders', { from: 'oldest' })) followed.push(text(body));
    };
    const consume = async () => {
      for await (const delivery of await events.consume('orders', { group: 'g' })) {
        consumed.push(text(delivery.event.body));
        await delivery.ack();
      }
    };
    await events.publish('orders', { body: bytes('before') });
    const running = [follow(), consume()];
    await expect.poll(() => [followed, consumed], { timeout: 10_000 }).toEqual([['before'], ['before']]);
    const { address } = app;
    await app.stop();
    await expect(events.publish('orders', {})).rejects.toMatchObject({ code: 'unavailable' });
    app = await start(address);
    const publish = () =>
      events.publish('orders', { id: 'after', body: bytes('after') }).then(
        () => true,
        () => false,
      );
    await expect.poll(publish, { timeout: 10_000 }).toBe(true);
    const both = ['before', 'after'];
    await expect.poll(() => [followed, consumed], { timeout: 20_000 }).toEqual([both, both]);
    expect((await events.read('orders')).map(({ offset }) => offset)).toEqual([1n, 2n]);
    await events.close();
    await Promise.allSettled(running);
  });
});
