import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { until } from '@micro/testing';
import { afterEach, it } from 'vitest';
import { PlainLane } from './plain-lane.js';

/** More than the buffers of both ends hold. */
const large = Buffer.alloc(24_000_000);
const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A lane that answers `/large` and anything else at once, and how many requests it took. */
async function lane() {
  let taken = 0;
  const plain = new PlainLane({
    limits: { headBytes: 4_096, bodyBytes: 4_096 },
    keepAliveMs: 75_000,
    take: ({ url }, response) => {
      taken++;
      response.writeHead(200, []).end(url === '/large' ? large : 'small;');
      return true;
    },
    handOver: (socket) => socket.destroy(),
  });
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (first: Buffer) => plain.accept(socket, first));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  socket.on('error', () => undefined);
  closers.push(
    () => server.close(),
    () => socket.destroy(),
  );
  return { plain, server, socket, taken: () => taken };
}

const ask = (socket: Socket, path: string) => socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);

it('answers what comes while a large answer is still being read', async () => {
  const { socket, taken } = await lane();
  ask(socket, '/large');
  await until('the first is taken', () => taken() === 1);
  const { bytesWritten } = socket;
  ask(socket, '/small');
  await until('the second is on its way', () => socket.bytesWritten > bytesWritten && socket.writableLength === 0);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  let tail = '';
  socket.on('data', (data) => (tail = (tail + data.toString('latin1')).slice(-20))).resume();
  await until('the second answer is there', () => tail.endsWith('small;'));
});

it('is gone after destroy(), whether or not its callers read what they were answered', async () => {
  const { plain, server, socket, taken } = await lane();
  ask(socket, '/large');
  await until('it is taken', () => taken() === 1);
  let closed = false;
  server.close(() => (closed = true));
  plain.close();
  plain.destroy();
  await until('the server has no connection', () => closed, 5_000);
});
