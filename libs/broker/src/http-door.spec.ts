import { connect } from 'node:net';
import { MicroError } from '@micro/errors';
import { openRegistry, type Registry } from '@micro/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { brokerLimits, patience, type Subscription } from './broker.js';
import { batchBytes, decodeFrames, encodeFrame } from './frames.js';
import { HttpBroker } from './http.js';
import { contentType, Door } from './http-door.js';
import { Poster } from './http-post.js';
import { placeOf, serviceName, topicOf } from './http-topic.js';
import { Inbox } from './inbox.js';
import { Lane } from './lane.js';

let registry: Registry;
let broker: HttpBroker;
let orders: Subscription;
let url: string;

beforeEach(async () => {
  registry = await openRegistry({ adapter: 'memory' });
  broker = new HttpBroker({ registry });
  orders = await broker.subscribe('orders', { buffer: 2 });
  const place = placeOf((await registry.list())[0]!.nodes[0]!);
  url = `http://${place?.address}/${place?.subscription}`;
});
afterEach(async () => {
  await broker.close();
  await registry.close();
});

const frame = (text: string) => encodeFrame({ headers: { a: 'b' }, body: new TextEncoder().encode(text) });
const post = async (body: Uint8Array, headers: Record<string, string> = {}, to = url) => {
  const response = await fetch(to, {
    method: 'POST',
    headers: { 'content-type': contentType, ...headers },
    body: Buffer.from(body),
  });
  return `${response.status} ${(await response.text()).trim()}`;
};
const next = async () => new TextDecoder().decode((await orders[Symbol.asyncIterator]().next()).value.body);

describe('the door of the HTTP broker', () => {
  it('is registered as a node of the topic that listings can leave out, on loopback', async () => {
    const [service] = await registry.list();
    expect(service).toMatchObject({ name: 'topic.orders', metadata: { kind: 'topic' }, endpoints: [] });
    expect(topicOf(service!)).toBe('orders');
    expect(service?.nodes[0]?.address).toMatch(/^127\.0\.0\.1:/);
    expect(serviceName('x'.repeat(200))).toMatch(/^topic\.~[0-9a-f]{64}$/);
  });

  it('takes messages in their order, as many as there is room for, and says how many', async () => {
    expect(await post(Buffer.concat([frame('1'), frame('2'), frame('3')]))).toBe('200 2 2');
    expect(await post(frame('4'))).toBe('200 0 2');
    expect([await next(), await next()]).toEqual(['1', '2']);
    const waiting = post(Buffer.concat([frame('5'), frame('6'), frame('7')]), { 'micro-wait': '10000' });
    expect([await next(), await next(), await next()]).toEqual(['5', '6', '7']);
    expect(await waiting).toMatch(/^200 3 /);
  });

  it('lets those go who wait when the subscription ends, and knows it no more', async () => {
    const body = Buffer.concat([frame('1'), frame('2'), frame('3')]);
    const waiting = post(body, { 'micro-wait': '10000' });
    await expect.poll(() => post(frame('4')), { timeout: 5_000 }).toMatch(/^200 0/);
    await orders.close();
    expect(await waiting).toMatch(/^200 2/);
    expect(await post(frame('5'))).toMatch(/^404/);
  });

  it('is closed to web pages and to who does not know a subscription', async () => {
    expect(await post(frame('1'), { origin: 'https://example.com' })).toMatch(/^403/);
    expect(await post(frame('1'), { 'content-type': 'text/plain' })).toMatch(/^415/);
    expect(await post(frame('1'), {}, new URL('/', url).href)).toMatch(/^404/);
    expect(await post(frame('1'), {}, new URL('/__proto__', url).href)).toMatch(/^404/);
    for (const method of ['GET', 'OPTIONS', 'PUT']) expect((await fetch(url, { method })).status).toBe(405);
    expect(await post(frame('last'))).toMatch(/^200 1/);
    expect(await next()).toBe('last');
  });

  it('refuses what is no messages, and takes nothing of it', async () => {
    const good = frame('1');
    const broken = [
      Uint8Array.of(1),
      good.subarray(0, good.length - 1),
      Buffer.concat([good, Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255)]),
      Buffer.concat([good, Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 123)]),
      Buffer.concat([good, Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 0), Buffer.from('[]')]),
      Buffer.concat([good, Uint8Array.of(0, 0, 0, 7, 0, 0, 0, 0), Buffer.from('{"a":1}')]),
      encodeFrame({ headers: {}, body: new Uint8Array(brokerLimits.bodyBytes + 1) }),
    ];
    for (const body of broken) expect(await post(body)).toMatch(/^400 /);
    await expect(post(new Uint8Array(batchBytes + 1)).catch(() => '413')).resolves.toMatch(/^413/);
    expect(await post(frame('last'))).toBe('200 1 1');
  });

  it('answers what was sent before it is known to close, and closes when it is', async () => {
    const lane = new Lane(patience);
    const inbox: Inbox = new Inbox({ buffer: 10, room: () => lane.advance() });
    lane.join(inbox);
    const door = new Door('127.0.0.1');
    door.add('mail', { topic: 'orders', lane });
    const address = await door.address();
    const [one, other] = [new Poster({ address, subscription: 'mail' }), new Poster({ address, subscription: 'mail' })];
    expect(await one.send([frame('1')], 0).outcome).toEqual({ taken: 1, waiting: 1 });
    expect(await other.send([frame('2')], 0).outcome).toEqual({ taken: 1, waiting: 2 });
    door.remove('mail');
    const sent = one.send([frame('3')], 0);
    const closed = door.close();
    expect(await sent.outcome).toBe('gone');
    // He has heard of it.
    other.retire();
    await closed;
    expect(await one.send([frame('4')], 0).outcome).toBe('gone');
    await inbox.close();
  });

  it('is not held open by who says nothing or half of it', async () => {
    const { hostname, port } = new URL(url);
    const sockets = [
      '',
      'POST / HTTP/1.1\r\n',
      `POST ${new URL(url).pathname} HTTP/1.1\r\nhost: x\r\ncontent-type: ${contentType}\r\ncontent-length: 99\r\n\r\n`,
    ].map((text) => {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      socket.write(text || '\r\n');
      return socket;
    });
    await broker.close();
    for (const socket of sockets) socket.destroy();
  });
});

describe('the HTTP broker without a registry', () => {
  it('says so', async () => {
    await registry.close();
    const unavailable = { code: 'unavailable', id: expect.any(String) };
    const error = await broker.publish('other', {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MicroError);
    expect(error).toMatchObject(unavailable);
    await expect(broker.subscribe('other')).rejects.toMatchObject(unavailable);
    await expect(broker.topics()).rejects.toMatchObject(unavailable);
  });
});

describe('frames', () => {
  it('give back what went in, also names that mean something to JavaScript', () => {
    const headers = JSON.parse('{"__proto__":"ü"}') as Record<string, string>;
    const messages = decodeFrames(Buffer.concat([frame('x'), encodeFrame({ headers, body: new Uint8Array() })]), 'a');
    expect(messages.map(({ body, headers }) => [[...body], Object.entries(headers)])).toEqual([
      [[120], [['a', 'b']]],
      [[], [['__proto__', 'ü']]],
    ]);
  });
});
