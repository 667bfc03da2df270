import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { ConnectPool } from './connect-pool.js';
import type { Answer, Exchange } from './exchange.js';

const empty = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
let server: Server | undefined;
let pool: ConnectPool | undefined;
const sockets: Socket[] = [];

afterEach(async () => {
  await pool?.destroy();
  for (const socket of sockets.splice(0)) socket.destroy();
  if (server) await new Promise((resolve) => server?.close(resolve));
  server = pool = undefined;
});

/** A node that does with its bytes whatever a test wants it to. */
async function node(onData: (socket: Socket, text: string) => void): Promise<string> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => onData(socket, bytes.toString('latin1'))).on('error', () => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Sent {
  readonly exchange: Exchange;
  readonly outcome: Promise<Answer | { readonly error: Error & { code?: unknown }; readonly sent: boolean }>;
}

function send(headers: string[] = [], { path = '/a.B/C', body = new Uint8Array() } = {}): Sent {
  let exchange: Exchange | undefined;
  const outcome: Sent['outcome'] = new Promise((resolve) => {
    exchange = (pool as ConnectPool).send(
      { path, headers, body },
      { answered: resolve, failed: (error, sent) => resolve({ error, sent }) },
    );
  });
  return { exchange: exchange as unknown as Exchange, outcome };
}

function open(address: string, connections = 8): void {
  pool = new ConnectPool(address, { connections, messageBytes: 1_000, connectTimeout: 1_000 });
}

describe('a request', () => {
  it('goes out whole, in one piece or with a large body', async () => {
    let seen = '';
    open(await node((socket, text) => ((seen += text), seen.endsWith('!') && socket.write(empty))));
    await send(['x-a', 'ü'], { body: Buffer.from('ab!') }).outcome;
    expect(seen).toBe(
      `POST /a.B/C HTTP/1.1\r\nhost: 127.0.0.1:${sockets[0]?.localPort}\r\nx-a: ü\r\ncontent-length: 3\r\n\r\nab!`,
    );
    seen = '';
    await send([], { body: Buffer.from(`${'x'.repeat(100_000)}!`) }).outcome;
    expect(seen).toMatch(/content-length: 100001\r\n\r\nx{100000}!$/);
    expect(sockets).toHaveLength(1);
  });

  it.each([
    ['a line break in a value', ['x-a', 'b\r\nx-evil: 1'], {}],
    ['a NUL in a value', ['x-a', '\0'], {}],
    ['a character that is not Latin-1', ['x-a', '€'], {}],
    ['a line break in a name', ['x-a: b\r\nx-evil', '1'], {}],
    ['a length of its own', ['content-length', '5'], {}],
    ['a transfer coding', ['Transfer-Encoding', 'chunked'], {}],
    ['a host', ['host', 'elsewhere'], {}],
    ['a blank in its path', [], { path: '/a b' }],
    ['a line break in its path', [], { path: '/a HTTP/1.1\r\n\r\nGET /' }],
  ])('that holds %s is refused, and costs no connection', async (_, headers, request) => {
    let seen = '';
    open(await node((socket, text) => ((seen += text), socket.write(empty))));
    expect(await send(headers, request).outcome).toMatchObject({ error: { code: 'invalid_argument' }, sent: false });
    expect(seen).toBe('');
    expect(await send().outcome).toMatchObject({ status: 200 });
    expect(await send(headers, request).outcome).toMatchObject({ error: { code: 'invalid_argument' }, sent: false });
    expect(await send().outcome).toMatchObject({ status: 200 });
    expect(sockets).toHaveLength(1);
  });

  it('given up before its connection is there leaves it to the next', async () => {
    open(await node((socket) => socket.write(empty)), 1);
    send().exchange.cancel();
    expect(await send().outcome).toMatchObject({ status: 200 });
    expect(sockets).toHaveLength(1);
  });

  it('given up after it was sent closes its connection, and one that waits gets another', async () => {
    let first = true;
    open(await node((socket) => (first ? (first = false) : socket.write(empty))), 1);
    const given = send();
    const waiting = send();
    await until('the first has been sent', () => !first);
    given.exchange.cancel();
    expect(await waiting.outcome).toMatchObject({ status: 200 });
    expect(sockets).toHaveLength(2);
  });

  it('that was not sent is said to be: no connection, or the pool is destroyed', async () => {
    open(await node(() => undefined), 1);
    const [sent, waiting] = [send(), send()];
    await until('the first has been sent', () => (sockets[0]?.bytesRead ?? 0) > 0);
    await pool?.destroy();
    expect(await sent.outcome).toMatchObject({ error: { code: 'canceled' }, sent: true });
    expect(await waiting.outcome).toMatchObject({ error: { code: 'canceled' }, sent: false });
    open('127.0.0.1:1');
    expect(await send().outcome).toMatchObject({ error: { code: 'ECONNREFUSED' }, sent: false });
  });
});

describe('a connection', () => {
  it.each([
    ['closes', (socket: Socket) => socket.end(), 'ECONNRESET'],
    ['closes in the middle of the answer', (socket: Socket) => socket.end(empty.slice(0, 20)), 'ECONNRESET'],
    ['is reset', (socket: Socket) => socket.resetAndDestroy(), 'ECONNRESET'],
  ])('that %s without an answer fails the request', async (_, act, code) => {
    open(await node((socket) => void act(socket)));
    expect(await send().outcome).toMatchObject({ error: { code }, sent: true });
  });

  it('that the node has closed while it was idle is not used again', async () => {
    open(await node((socket) => socket.end(empty)));
    expect(await send().outcome).toMatchObject({ status: 200 });
    await until('it is closed', () => sockets[0]?.closed === true);
    expect(await send().outcome).toMatchObject({ status: 200 });
    expect(sockets).toHaveLength(2);
  });

  it('is not used in the last second for which the node keeps it', async () => {
    open(await node((socket) => socket.write('HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n')));
    await send().outcome;
    await send().outcome;
    expect(sockets).toHaveLength(2);
  });

  it('on which something comes unasked is closed', async () => {
    open(await node((socket) => socket.write(`${empty}${empty}`)));
    expect(await send().outcome).toMatchObject({ error: { name: 'MalformedResponse' } });
    await until('it is closed', () => sockets[0]?.closed === true);
  });

  it('whose answer is too large is closed, and says so', async () => {
    open(await node((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n')));
    const outcome = (await send().outcome) as { error: MicroError };
    expect(outcome.error).toBeInstanceOf(MicroError);
    expect(outcome.error).toMatchObject({ code: 'resource_exhausted' });
    await until('it is closed', () => sockets[0]?.closed === true);
  });

  it('that is answered before the request is all written is not used again', async () => {
    open(
      await node(
        (socket) =>
          socket.bytesRead > 0 && socket.listenerCount('drain') === 0 && (socket.pause(), socket.write(empty)),
      ),
    );
    expect(await send([], { body: Buffer.alloc(16_000_000) }).outcome).toMatchObject({ status: 200 });
    expect(await send().outcome).toMatchObject({ status: 200 });
    expect(sockets).toHaveLength(2);
  });
});
