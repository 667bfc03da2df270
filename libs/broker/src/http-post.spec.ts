import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Poster } from './http-post.js';

let server: Server | undefined;
let poster: Poster;
let connections: Socket[] = [];

afterEach(() => {
  poster.close();
  for (const socket of connections) socket.destroy();
  connections = [];
  server?.close();
  server = undefined;
});

const breaksOff = '';

/** Answers each request, which comes in one piece here, with what is given for it, piece by piece. */
async function answering(...answers: readonly (readonly string[] | 'end' | 'never')[]): Promise<string[]> {
  const requests: string[] = [];
  server = createServer((socket) => {
    connections.push(socket);
    socket.setNoDelay(true).on('error', () => undefined);
    socket.on('data', async (chunk) => {
      const answer = answers[requests.length] ?? 'never';
      requests.push(chunk.toString('latin1'));
      if (answer === 'end') socket.destroy();
      if (typeof answer === 'string') return;
      for (const piece of answer) {
        if (piece === breaksOff) return void socket.end();
        socket.write(piece);
        await new Promise(setImmediate);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  poster = new Poster({ address: `127.0.0.1:${port}`, subscription: 'orders-1' });
  return requests;
}

const send = async (text = 'm', wait = 10) => poster.send([Buffer.from(text)], wait).outcome;
const full = { taken: 0, waiting: Infinity };
const ok = (body: string) =>
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe('messages posted to a subscriber', () => {
  it('go one after the other over one connection, with what may be waited', async () => {
    const requests = await answering([ok('1 5')], [ok('0 7')], [ok('2 123456')]);
    expect(await send('a', 2.5)).toEqual({ taken: 1, waiting: 5 });
    expect(await send('bb')).toEqual({ taken: 0, waiting: 7 });
    expect(await poster.send([Buffer.from('c'), Buffer.from('dd')], 0).outcome).toEqual({ taken: 2, waiting: 123456 });
    expect(connections.length).toBe(1);
    const { port } = server?.address() as AddressInfo;
    expect(requests[0]).toBe(
      `POST /orders-1 HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/vnd.micro.messages\r\ncontent-length: 1\r\nmicro-wait: 3\r\n\r\na`,
    );
    expect(requests[2]).toMatch(/content-length: 3\r\nmicro-wait: 0\r\n\r\ncdd$/);
  });

  it('take their answer in pieces of any size', async () => {
    await answering([...ok('1 5')], [...ok('3 9')]);
    expect(await send()).toEqual({ taken: 1, waiting: 5 });
    expect(await send()).toEqual({ taken: 3, waiting: 9 });
    expect(connections.length).toBe(1);
  });

  it.each([
    ['a connection that breaks off', 'end', 'unknown'],
    ['an answer that breaks off', ['HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n1', breaksOff], 'unknown'],
    ['what is no HTTP', ['220 mail.example.com ESMTP\r\n\r\n'], 'unknown'],
    ['more than was announced', ['HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n1 5HTTP/1.1 200'], 'unknown'],
    ['a head without an end', [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}`], 'unknown'],
    ['another program that knows no such path', ['HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno'], 'gone'],
    ['another program that says yes to anything', [ok('welcome')], 'gone'],
    [
      'one whose answer has no length',
      ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n1 5\r\n0\r\n\r\n'],
      'gone',
    ],
    ['a refusal', ['HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'], full],
  ] as const)('meet %s', async (_, answer, outcome) => {
    await answering(answer, [ok('1 0')]);
    expect(await send()).toEqual(outcome);
    // What comes next is not disturbed by what was left of it.
    expect(await send()).toEqual({ taken: 1, waiting: 0 });
  });

  it('are known to have reached nobody where nobody listens', async () => {
    poster = new Poster({ address: `127.0.0.1:${await freePort()}`, subscription: 'orders-1' });
    expect(await send()).toBe('gone');
  });

  it('open a new connection where the kept one was closed meanwhile', async () => {
    await answering([ok('1 0')], [ok('1 0')]);
    await send();
    connections[0]?.end();
    await expect.poll(() => connections[0]?.destroyed).toBe(true);
    expect(await send()).toEqual({ taken: 1, waiting: 0 });
    expect(connections.length).toBe(2);
  });

  it('are waited for no longer when that is called off, and the connection is closed', async () => {
    await answering('never');
    const sent = poster.send([Buffer.from('m')], 10_000);
    await expect.poll(() => connections.length).toBe(1);
    sent.cancel();
    expect(await sent.outcome).toBe('unknown');
    await expect.poll(() => connections[0]?.destroyed).toBe(true);
  });

  it('leave no connection when the subscriber is taken off the list, but are answered before', async () => {
    await answering([ok('1 0')], [ok('2 0')]);
    await send();
    const sent = poster.send([Buffer.from('m')], 10);
    poster.retire();
    expect(await sent.outcome).toEqual({ taken: 2, waiting: 0 });
    await expect.poll(() => connections[0]?.destroyed).toBe(true);
  });
});
