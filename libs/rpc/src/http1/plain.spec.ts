import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from 'node:net';
import { until } from '@micro/testing';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { PlainLane, type PlainLaneOptions } from './plain-lane.js';
import { readPlainRequest } from './plain-request.js';
import type { PlainResponse } from './plain-response.js';

const limits = { headBytes: 4_096, bodyBytes: 4_096 };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** A request as node:http reads it, all of them, in order; undefined for bytes that it refuses anywhere. */
async function readByNode(bytes: Buffer): Promise<Seen[] | undefined> {
  const seen: Seen[] = [];
  let refused = false;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', rawHeaders } = request;
      seen.push({ method, url, rawHeaders, body: Buffer.concat(chunks).toString('latin1') });
      response.end();
    });
  });
  server.on('clientError', (_error, socket) => {
    refused = true;
    socket.destroy();
  });
  server.on('upgrade', (_request, socket) => {
    refused = true;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined).resume();
  socket.end(bytes);
  await once(socket, 'close');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return refused ? undefined : seen;
}

/** All that our reader takes of the bytes, and what it leaves. */
function readByUs(bytes: Buffer): { readonly seen: Seen[]; readonly left: Buffer } {
  const seen: Seen[] = [];
  let left = bytes;
  for (let parts = readPlainRequest(left, limits); parts; parts = readPlainRequest(left, limits)) {
    const { method, url, rawHeaders, bodyStart, bodyEnd } = parts;
    seen.push({ method, url, rawHeaders, body: left.toString('latin1', bodyStart, bodyEnd) });
    left = left.subarray(bodyEnd);
  }
  return { seen, left };
}

const call = (path: string, body: string, headers: readonly string[] = []) =>
  [`POST ${path} HTTP/1.1`, 'Host: x', ...headers, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');

describe('what is plain', () => {
  it.each([
    ['a call', call('/a.A/B', '{}', ['content-type: application/json', 'X-Thing:  v \t'])],
    ['a question', 'GET /x?a=%20"b" HTTP/1.1\r\nhost: x\r\nConnection: Keep-Alive\r\n\r\n'],
    ['an empty value', 'GET / HTTP/1.1\r\nhost: x\r\naccept:\r\n\r\n'],
    ['several', call('/a', 'one') + call('/b', 'two')],
  ])('%s is read as node:http reads it', async (_, text) => {
    const { seen, left } = readByUs(Buffer.from(text, 'latin1'));
    expect(left.length).toBe(0);
    expect(seen).toEqual(await readByNode(Buffer.from(text, 'latin1')));
  });

  it.each([
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx'],
    ['a length with a sign', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\nx'],
    ['a tab behind a length', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\t\r\n\r\nx'],
    ['a list of lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\nx'],
    ['chunks', 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a space before the colon', 'GET / HTTP/1.1\r\nhost : a\r\n\r\n'],
    ['a folded line', 'GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n'],
    ['bare line feeds', 'GET / HTTP/1.1\nhost: a\n\n'],
    ['a bare carriage return', 'GET / HTTP/1.1\r\nhost: a\rb: c\r\n\r\n'],
    ['a NUL', 'GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n'],
    ['Latin-1', 'GET / HTTP/1.1\r\nhost: a\r\nx: \xe9\r\n\r\n'],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nhost: a\r\n\r\n'],
    ['another verb', 'HEAD / HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['an absolute target', 'GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['a fragment', 'GET /#a HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['an upgrade', 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
    ['an expectation', 'POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx'],
    ['a connection that ends', 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'],
    ['an unfinished head', 'GET / HTTP/1.1\r\nhost: a\r\n'],
    ['an unfinished body', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx'],
    ['many headers', `GET / HTTP/1.1\r\nhost: a\r\n${'x: y\r\n'.repeat(101)}\r\n`],
    ['a long head', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(5_000)}\r\n\r\n`],
    ['a large body', call('/', 'y'.repeat(5_000))],
  ])('%s is not', (_, text) => expect(readByUs(Buffer.from(text, 'latin1')).seen).toEqual([]));

  it('is never read as more, or as something else, than node:http makes of it', async () => {
    const pieces = [
      'GET',
      'POST',
      ' ',
      '/a',
      '/a?b=c',
      ' HTTP/1.1',
      ' HTTP/1.0',
      '\r\n',
      '\n',
      '\r',
      'Host: x',
      'host: y',
      'Content-Length: 3',
      'content-length:3',
      'content-length: 03',
      'Content-Length: -3',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: identity',
      'Connection: keep-alive',
      'Connection: close',
      'x-a: b',
      'x-a : b',
      ' x: y',
      ':',
      '\t',
      '\0',
      '\x80',
      'abc',
      '0\r\n\r\n',
      '3\r\nabc\r\n',
      '#',
      '%',
      '*',
      'Expect: 100-continue',
      '\r\n\r\n',
      'Upgrade: h2c',
      'GET /next HTTP/1.1\r\nHost: x\r\n\r\n',
    ];
    const odd = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((parts) => parts.join(''));
    const header = fc.constantFrom(
      'x-a: b',
      'X-B:c',
      'accept: */*',
      'connection: keep-alive',
      'Content-Length: 3',
      'content-length: 0',
      'te: trailers',
      'x: y z',
      'Cookie: a=b; c=d',
      'Transfer-Encoding: chunked',
      ' y',
    );
    const good = fc
      .record({
        verb: fc.constantFrom('GET', 'POST', 'DELETE'),
        path: fc.constantFrom('/', '/a.A/B', '/a?b=c&d', '/%00', '/a#b'),
        headers: fc.array(header, { maxLength: 4 }),
        body: fc.constantFrom('', 'abc', '0\r\n\r\n'),
      })
      .map(({ verb, path, headers, body }) =>
        [`${verb} ${path} HTTP/1.1`, 'Host: x', ...headers, '', body].join('\r\n'),
      );
    const mutated = fc
      .tuple(good, fc.nat(200), fc.constantFrom('', '\r', '\n', ' ', '\0', ':', '\x80', 'A'), fc.nat(2))
      .map(([text, at, insert, remove]) => {
        const position = at % (text.length + 1);
        return text.slice(0, position) + insert + text.slice(position + remove);
      });
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(good, mutated, odd), { minLength: 1, maxLength: 3 }), async (texts) => {
        const bytes = Buffer.from(texts.join(''), 'latin1');
        const { seen, left } = readByUs(bytes);
        if (seen.length === 0) return;
        taken += seen.length;
        // What we leave goes to node:http as it is, so it counts as read by it; without it nothing but what we took is there.
        const byNode = await readByNode(bytes.subarray(0, bytes.length - left.length));
        expect(byNode).toEqual(seen);
      }),
      { numRuns: 1_500 },
    );
    expect(taken).toBeGreaterThan(200);
  }, 60_000);
});

/** A lane that answers plain requests by `answer`, and gives the rest to a node:http that answers `node METHOD URL BODY`. */
async function lane(answer: PlainLaneOptions['take'], options: Partial<PlainLaneOptions> = {}) {
  const http = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
    request.on('end', () => response.end(`node ${request.method} ${request.url} ${body};`));
  });
  const [listener] = http.listeners('connection') as ((socket: Socket) => void)[];
  const plain = new PlainLane({
    limits,
    keepAliveMs: 75_000,
    take: answer,
    handOver: listener!.bind(http),
    ...options,
  });
  const server = createNetServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (first: Buffer) => plain.accept(socket, first));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets: Socket[] = [];
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    plain.destroy();
    http.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const open = () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    sockets.push(socket);
    const caller = { socket, text: '', closed: false };
    socket.on('data', (data) => (caller.text += data.toString('latin1')));
    socket.on('error', () => undefined).on('close', () => (caller.closed = true));
    return caller;
  };
  return { plain, open };
}

const bodies = (text: string) => [...text.matchAll(/((?:plain|node) [^;]*);/g)].map(([, found]) => found);
const echo: PlainLaneOptions['take'] = ({ method, url, body }, response) => {
  response.writeHead(200, ['content-type', 'text/plain']).end(`plain ${method} ${url} ${body.toString('latin1')};`);
  return true;
};

describe('a connection', () => {
  it('answers the same however its bytes are cut', async () => {
    const { open } = await lane(echo);
    const text = call('/one', 'first') + call('/two', 'second');
    for (let cut = 1; cut < text.length; cut += 3) {
      const caller = open();
      caller.socket.write(text.slice(0, cut), 'latin1');
      await new Promise((resolve) => setImmediate(resolve));
      caller.socket.write(text.slice(cut), 'latin1');
      await until(`both answers, cut at ${cut}`, () => bodies(caller.text).length === 2);
      expect(bodies(caller.text).map((one) => one?.replace(/^\w+ /, ''))).toEqual([
        'POST /one first',
        'POST /two second',
      ]);
      caller.socket.destroy();
    }
  });

  it('answers in order what comes at once, plain or not, and is node:http’s from the first that is not plain', async () => {
    const later: (() => void)[] = [];
    const { open } = await lane((request, response) => {
      later.push(() => echo(request, response));
      return true;
    });
    const caller = open();
    const chunked = 'POST /odd HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n0\r\n\r\n';
    caller.socket.write(call('/a', '1') + call('/b', '2') + chunked + call('/c', '3'), 'latin1');
    await until('the first is taken', () => later.length === 1);
    later[0]?.();
    await until('the second is taken', () => later.length === 2);
    await until('the first answer is there', () => bodies(caller.text).length > 0);
    expect(bodies(caller.text)).toEqual(['plain POST /a 1']);
    later[1]?.();
    await until('all are answered', () => bodies(caller.text).length === 4);
    expect(bodies(caller.text)).toEqual(['plain POST /a 1', 'plain POST /b 2', 'node POST /odd o', 'node POST /c 3']);
  });

  it('gives what is not taken to node:http, whole', async () => {
    const { open } = await lane((request, response) => request.url !== '/no' && echo(request, response));
    const caller = open();
    caller.socket.write(call('/yes', '1') + call('/no', '2') + call('/yes', '3'), 'latin1');
    await until('all are answered', () => bodies(caller.text).length === 3);
    expect(bodies(caller.text)).toEqual(['plain POST /yes 1', 'node POST /no 2', 'node POST /yes 3']);
  });

  it('tells that a caller has gone before the answer, and only then', async () => {
    const responses: PlainResponse[] = [];
    const closes: boolean[] = [];
    const { open } = await lane((_, response) => {
      responses.push(response);
      response.on('close', () => closes.push(response.writableEnded));
      return true;
    });
    const caller = open();
    caller.socket.write(call('/a', ''), 'latin1');
    await until('the first is taken', () => responses.length === 1);
    responses[0]?.writeHead(204, []).end();
    expect(closes).toEqual([true]);
    caller.socket.write(call('/b', ''), 'latin1');
    await until('the second is taken', () => responses.length === 2);
    caller.socket.destroy();
    await until('it is told', () => closes.length === 2);
    expect(closes).toEqual([true, false]);
    expect(responses[1]?.destroyed).toBe(true);
    responses[1]?.writeHead(200, []).end('nobody reads this');
  });

  it('closes idle connections when their time is over, or the lane closes, and busy ones with their answer', async () => {
    const later: (() => void)[] = [];
    const { plain, open } = await lane((request, response) => {
      if (request.url === '/late') later.push(() => echo(request, response));
      else echo(request, response);
      return true;
    });
    const [idle, busy] = [open(), open()];
    idle.socket.write(call('/soon', '1'), 'latin1');
    busy.socket.write(call('/late', '2'), 'latin1');
    await until('one is answered, one is not', () => bodies(idle.text).length === 1 && later.length === 1);
    expect(idle.text).toMatch(/connection: keep-alive\r\nkeep-alive: timeout=75\r\n/);
    plain.close();
    await until('the idle one is closed', () => idle.closed);
    expect(busy.closed).toBe(false);
    later[0]?.();
    await until('the busy one is closed', () => busy.closed);
    expect(busy.text).toContain('connection: close\r\n');
    expect(bodies(busy.text)).toEqual(['plain POST /late 2']);
  });

  it('does not read on for a caller who does not read', async () => {
    let taken = 0;
    const { open } = await lane((_, response) => {
      taken++;
      response.writeHead(200, []).end(Buffer.alloc(512 * 1024));
      return true;
    });
    const caller = open();
    caller.socket.pause();
    caller.socket.write(call('/a', '').repeat(200), 'latin1');
    await until('some are taken', () => taken > 0);
    for (let look = 0, before = -1; before !== taken || look < 20; look++) {
      before = taken;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(taken).toBeLessThan(50);
    let size = 0;
    caller.socket
      .removeAllListeners('data')
      .on('data', (data) => (size += data.length))
      .resume();
    await until('the rest is answered', () => taken === 200 && size > 200 * 512 * 1024);
  });
});

describe('an answer', () => {
  it('may come in pieces', async () => {
    const { open } = await lane((_, response) => {
      response.writeHead(200, ['content-type', 'text/plain']);
      response.write('one');
      response.write(Buffer.from('twö'));
      response.end('three');
      return true;
    });
    const caller = open();
    caller.socket.write(call('/a', ''), 'latin1');
    await until('the last chunk is there', () => caller.text.endsWith('0\r\n\r\n'));
    expect(caller.text).toMatch(/transfer-encoding: chunked\r\n/);
    expect(caller.text.split('\r\n\r\n').slice(1).join('\r\n\r\n')).toBe(
      Buffer.from('3\r\none\r\n4\r\ntwö\r\n5\r\nthree\r\n0\r\n\r\n').toString('latin1'),
    );
  });

  it('has a length, a date, and no body where there can be none', async () => {
    const { open } = await lane(({ url }, response) => {
      if (url === '/none') response.writeHead(204, []).end();
      else response.writeHead(200, []).end('ö'.repeat(20_000));
      return true;
    });
    const none = open();
    none.socket.write(call('/none', ''), 'latin1');
    await until('it is answered', () => none.text.includes('\r\n\r\n'));
    expect(none.text).toMatch(
      /^HTTP\/1\.1 204 No Content\r\ndate: [^\r]+ GMT\r\nconnection: keep-alive\r\nkeep-alive: timeout=75\r\n\r\n$/,
    );
    const large = open();
    large.socket.write(call('/large', ''), 'latin1');
    await until('it is answered', () => large.text.length > 40_000);
    expect(large.text).toContain('content-length: 40000\r\n');
    expect(large.text.endsWith(Buffer.from('öö').toString('latin1'))).toBe(true);
  });

  it.each([
    ['a name', ['bad name', 'x']],
    ['a line end', ['x', 'a\r\nset-cookie: b']],
    ['a character', ['x', 'ł']],
  ])('refuses headers that would be something else: %s', async (_, headers) => {
    const { open } = await lane((_request, response) => {
      expect(() => response.writeHead(200, headers)).toThrow(TypeError);
      response.writeHead(500, []).end();
      return true;
    });
    const caller = open();
    caller.socket.write(call('/a', ''), 'latin1');
    await until('it is answered', () => caller.text.includes('\r\n\r\n'));
    expect(caller.text).toMatch(/^HTTP\/1\.1 500 /);
  });
});
