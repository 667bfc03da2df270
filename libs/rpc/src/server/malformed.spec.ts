import { connect as connectSocket } from 'node:net';
import { createLogger, Metrics } from '@micro/telemetry';
import { until } from '@micro/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainClient, unary } from './grpc-client.fixture.js';
import { Kitchen, http2Lanes, openKitchen } from './kitchen.fixture.js';
import type { RpcServer } from './server.js';

describe.each(http2Lanes)('on %s', (_lane, lane) => {
  const open = (options: Parameters<typeof openKitchen>[0] = {}, seen?: Parameters<typeof openKitchen>[1]) =>
    openKitchen({ ...lane, ...options }, seen);

  const lines: Record<string, unknown>[] = [];
  const metrics = new Metrics();
  let server: RpcServer & AsyncDisposable;

  beforeAll(async () => {
    const logger = createLogger({ name: 'kitchen', stream: { write: (line: string) => lines.push(JSON.parse(line)) } });
    server = await open({ logger, metrics, limits: { messageBytes: 256 * 1024, headersMs: 500, requestMs: 700 } });
  });
  afterAll(() => server.close({ graceMs: 0 }));

  const path = '/kitchen.v1.Kitchen/Cook';

  /** Sends bytes as they are; resolves to all that comes back until the server closes the connection, or `enough` says that it is all. */
  function send(bytes: string | Buffer, enough: (answer: string) => boolean = () => false): Promise<string> {
    return new Promise((resolve) => {
      const [host, port] = server.address.split(':') as [string, string];
      let answer = '';
      const socket = connectSocket(Number(port), host, () => socket.write(bytes));
      socket.setEncoding('latin1');
      socket.on('data', (chunk) => {
        answer += chunk;
        if (enough(answer)) socket.destroy();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(answer));
    });
  }

  function post(body: string | Buffer, headers = 'content-type: application/json'): Promise<string> {
    const bytes = Buffer.from(body);
    return send(
      Buffer.concat([
        Buffer.from(
          `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${headers}\r\ncontent-length: ${bytes.length}\r\n\r\n`,
        ),
        bytes,
      ]),
    );
  }

  async function stillServes(): Promise<void> {
    expect(await post('{"name":"Alice"}')).toContain('{"name":"Hello Alice"}');
    const client = plainClient(Kitchen, server.address);
    expect((await unary(client, 'Cook', { name: 'Alice' })).messages[0]).toMatchObject({ name: 'Hello Alice' });
    client.close();
  }

  describe('messages that are none', () => {
    it.each([
      ['JSON cut short', '{"name":'],
      ['another type of field', '{"name":{"a":1}}'],
      ['an array', '[]'],
      ['null', 'null'],
      ['a number', '1'],
      ['a field twice', '{"name":"Alice","name":"Bob"}'],
      ['a field twice within a field', '{"then":{"name":"a","n\\u0061me":"b"}}'],
      ['a key of a map twice', '{"notes":{"a":"1","a":"1"}}'],
      ['an unknown field twice', '{"x":1,"x":2}'],
      ['a form', 'name=Alice&count=1'],
      ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0x6e, 0x61, 0x6d, 0x65, 0x22, 0x3a, 0x22, 0xc3, 0x28, 0x22, 0x7d])],
      ['a number out of range', '{"count":"9223372036854775808"}'],
      ['nesting 100,000 deep', `${'{"then":'.repeat(100_000)}{}${'}'.repeat(100_000)}`.slice(0, 250_000)],
      ['nesting 20,000 deep in unknown fields', `{"x":${'['.repeat(20_000)}${']'.repeat(20_000)}`],
      ['nesting 5,000 deep in known fields', `${'{"then":'.repeat(5_000)}{}${'}'.repeat(5_000)}`],
    ])('%s', async (_what, body) => {
      const answer = await post(body);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain('"code":"invalid_argument"');
      await stillServes();
    });

    it.each([
      ['a length past the end', Buffer.from([0x0a, 0x7f, 0x61])],
      ['an endless varint', Buffer.alloc(64, 0xff)],
      ['a group without end', Buffer.from([0x0b])],
      ['invalid UTF-8', Buffer.from([0x0a, 0x02, 0xc3, 0x28])],
    ])('%s, in binary', async (_what, body) => {
      const answer = await post(body, 'content-type: application/proto');
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain('"code":"invalid_argument"');
    });

    it('any bytes: never a fault of ours', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, json) => {
          const answer = await post(Buffer.from(bytes), `content-type: application/${json ? 'json' : 'proto'}`);
          expect(answer).toMatch(/^HTTP\/1\.1 (200|400) /);
        }),
        { numRuns: 200 },
      );
    });

    it('unknown fields are ignored, as the Connect protocol has it', async () => {
      expect(await post('{"name":"Alice","unheardOf":{"a":[1]}}')).toContain('{"name":"Hello Alice"}');
    });

    it('keys of the prototype are data', async () => {
      const answer = await post(
        '{"name":"x","__proto__":{"count":"7"},"constructor":{"prototype":{"a":1}},"notes":{"__proto__":"p","constructor":"c","toString":"t"}}',
      );
      expect(answer).toContain('"__proto__":"p"');
      expect(answer).toContain('"constructor":"c"');
      expect(answer).not.toContain('"count"');
      expect(({} as Record<string, unknown>)['count']).toBeUndefined();
    });

    it('names of 10,000 characters', async () => {
      const long = 'n'.repeat(10_000);
      expect(await post(`{"name":"${long}"}`)).toContain(`Hello ${long}`);
      const answer = await send(
        `POST /kitchen.v1.Kitchen/${long} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 404 /);
      expect(answer.length).toBeLessThan(1000);
    });
  });

  describe('what is not HTTP/1.1', () => {
    it.each([
      ['noise', '\u0000\u0001\u0002 hello\r\n\r\n', 400],
      ['TLS', Buffer.from('16030100a5010000a10303', 'hex'), 400],
      ['a bad header', `POST ${path} HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n`, 400],
      ['two lengths', `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc`, 400],
      [
        'length and chunks at once',
        `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
        400,
      ],
      ['a wrong chunk', `POST ${path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`, 400],
    ])('%s', async (_what, bytes, status) => {
      lines.length = 0;
      const answer = await send(bytes);
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(answer).toContain('"code":"invalid_argument"');
      expect(lines.filter(({ message }) => message === 'connection refused')).toHaveLength(1);
      await stillServes();
    });

    it('headers of 10 MB', async () => {
      lines.length = 0;
      const answer = await send(`POST ${path} HTTP/1.1\r\nhost: x\r\nx-large: ${'x'.repeat(10 * 1024 * 1024)}\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 431 /);
      expect(answer).toContain('"code":"resource_exhausted"');
      expect(lines.filter(({ message }) => message === 'connection refused')).toHaveLength(1);
      await stillServes();
    });
  });

  it('what is not HTTP, sent while an answer is under way, does not get into that answer', async () => {
    await using busy = await open({
      http: (_request, response) => {
        response.writeHead(200, { 'content-length': 10 });
        response.write('half');
        return true;
      },
    });
    const [host, port] = busy.address.split(':') as [string, string];
    let answer = '';
    const socket = connectSocket(Number(port), host, () => socket.write('GET /page HTTP/1.1\r\nhost: x\r\n\r\n'));
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    await until('half of it is there', () => answer.endsWith('half'));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('\u0000\u0001 this is not HTTP\r\n\r\n');
    await closed;
    expect(answer.endsWith('half')).toBe(true);
  });

  describe('slow senders', () => {
    it('of no byte at all are dropped', async () => {
      expect(await send('')).toBe('');
    });

    it('of half a preface are dropped', async () => {
      expect(await send('PR')).toBe('');
    });

    it('of headers are told', async () => {
      expect(await send(`POST ${path} HTTP/1.1\r\nhost: x\r\n`)).toMatch(/^HTTP\/1\.1 408 /);
    });

    it('of a body are told', async () => {
      const answer = await send(
        `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"name":`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toContain('"code":"deadline_exceeded"');
    });

    it('of a gRPC message are told', async () => {
      const { connect } = await import('node:http2');
      const session = connect(`http://${server.address}`);
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.write(Buffer.from([0, 0, 0]));
      const code = await new Promise((resolve) => {
        stream.on('response', (headers) => headers['grpc-status'] !== undefined && resolve(headers['grpc-status']));
        stream.on('trailers', (trailers) => resolve(trailers['grpc-status']));
      });
      expect(code).toBe('4');
      session.destroy();
    });
  });

  it('callers who leave within a request are forgotten', async () => {
    const before = metrics.inFlight('server');
    const [host, port] = server.address.split(':') as [string, string];
    const socket = connectSocket(Number(port), host);
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"name":`,
    );
    await until('the call began', () => metrics.inFlight('server') > before);
    socket.destroy();
    await until('the call is over', () => metrics.inFlight('server') === before);
  });

  describe('what is not HTTP/2', () => {
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const frame = (type: number, flags: number, stream: number, payload = Buffer.alloc(0)) => {
      const head = Buffer.alloc(9);
      head.writeUIntBE(payload.length, 0, 3);
      head.writeUInt8(type, 3);
      head.writeUInt8(flags, 4);
      head.writeUInt32BE(stream, 5);
      return Buffer.concat([head, payload]);
    };
    const settings = frame(4, 0, 0);

    it.each([
      ['a preface gone wrong', Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')],
      ['no settings', Buffer.concat([preface, Buffer.from('GET / HTTP/1.1\r\n\r\n')])],
      ['a frame too large', Buffer.concat([preface, settings, frame(0, 0, 1, Buffer.alloc(20_000))])],
      ['headers that are not HPACK', Buffer.concat([preface, settings, frame(1, 4, 1, Buffer.alloc(30, 0xff))])],
      ['data on no stream', Buffer.concat([preface, settings, frame(0, 0, 7, Buffer.from('x'))])],
    ])('%s', async (_what, bytes) => {
      lines.length = 0;
      // The connection ends: with GOAWAY where there is a peer to understand it.
      await send(bytes);
      await until('it was logged', () => lines.some(({ message }) => message === 'connection refused'));
      expect(lines.filter(({ message }) => message === 'connection refused')).toHaveLength(1);
      await stillServes();
    });

    it('headers over the limit, before and after the peer has been told of it', async () => {
      const { connect } = await import('node:http2');
      const session = connect(`http://${server.address}`);
      const attempt = (size: number) =>
        new Promise((resolve) => {
          const stream = session.request({
            ':method': 'POST',
            ':path': path,
            'content-type': 'application/grpc',
            'x-large': 'x'.repeat(size),
          });
          stream.on('error', (error) => resolve(error.message));
          stream.on('response', (headers) => resolve(headers['grpc-status'] ?? headers[':status']));
          stream.resume();
        });
      expect(await attempt(60_000)).toBe('8');
      expect(await attempt(60_000)).toMatch(/^8$|431|ENHANCE_YOUR_CALM/);
      session.destroy();
      await stillServes();
    });

    it('messages that are not protobuf, or cut short', async () => {
      const { connect } = await import('node:http2');
      const session = connect(`http://${server.address}`);
      const statusOf = (body: Buffer) =>
        new Promise((resolve) => {
          const stream = session.request({
            ':method': 'POST',
            ':path': path,
            'content-type': 'application/grpc',
            te: 'trailers',
          });
          stream.on('response', (headers) => headers['grpc-status'] !== undefined && resolve(headers['grpc-status']));
          stream.on('trailers', (trailers) => resolve(trailers['grpc-status']));
          stream.resume();
          stream.end(body);
        });
      expect(await statusOf(Buffer.from([0, 0, 0, 0, 3, 0x0a, 0x7f, 0x61]))).toBe('3');
      expect(await statusOf(Buffer.from([0, 0, 0, 0, 9, 0x0a]))).toBe('13');
      expect(await statusOf(Buffer.from([0, 0, 0]))).toBe('13');
      expect(await statusOf(Buffer.from([1, 0, 0, 0, 1, 0x0a]))).toBe('13');
      expect(await statusOf(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0]))).toBe('8');
      session.destroy();
      await stillServes();
    });
  });
});
