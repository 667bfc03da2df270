import { once } from 'node:events';
import { connect as http2Connect, constants } from 'node:http2';
import { connect } from 'node:net';
import { compressionAlgorithms, Metadata, status } from '@grpc/grpc-js';
import { MicroError } from '@micro/errors';
import { Metrics } from '@micro/telemetry';
import { until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bidiStream,
  clientStream,
  outcome,
  plainClient,
  type PlainClient,
  serverStream,
  unary,
} from './grpc-client.fixture.js';
import { http2Lanes, Kitchen, openKitchen, type Seen } from './kitchen.fixture.js';
import type { RpcServer } from './server.js';

describe.each(http2Lanes)('on %s', (_, lane) => {
  const seen: Seen = { aborted: [], finished: 0 };
  const metrics = new Metrics();
  let server: RpcServer & AsyncDisposable;
  let client: PlainClient;

  beforeAll(async () => {
    server = await openKitchen({ ...lane, metrics, limits: { messageBytes: 64 * 1024 } }, seen);
    client = plainClient(Kitchen, server.address);
  });
  afterAll(async () => {
    client.close();
    await server.close({ graceMs: 0 });
  });

  describe('all four kinds', () => {
    it('unary', async () => {
      const { messages, status: end } = await unary(client, 'Cook', {
        name: 'Alice',
        count: 9007199254740993n,
        notes: { a: 'b' },
      });
      expect(messages).toEqual([{ name: 'Hello Alice', count: 9007199254740993n, notes: { a: 'b' } }]);
      expect(end.code).toBe(status.OK);
    });

    it('server stream, with headers before and trailers after', async () => {
      const {
        messages,
        headers,
        status: end,
      } = await outcome(serverStream(client, 'Courses', { name: 'soup', count: 3n }));
      expect(messages.map(({ count }) => count)).toEqual([0n, 1n, 2n]);
      expect(headers?.get('x-oven')).toEqual(['hot']);
      expect(end.metadata.get('x-smoke')).toEqual(['no']);
    });

    it('client stream', async () => {
      const answer = await new Promise((resolve, reject) => {
        const call = clientStream(client, 'Stew', (error, response) => (error ? reject(error) : resolve(response)));
        for (const name of ['a', 'b', 'c']) call.write({ name });
        call.end();
      });
      expect(answer).toMatchObject({ name: 'abc' });
    });

    it('client stream of nothing, and one that the handler ends', async () => {
      const send = (names: string[]) =>
        new Promise((resolve, reject) => {
          const call = clientStream(client, 'Stew', (error, response) => (error ? reject(error) : resolve(response)));
          for (const name of names) call.write({ name });
          call.end();
        });
      expect(await send([])).toMatchObject({ name: '' });
      expect(await send(['a', 'enough', 'b'])).toMatchObject({ name: 'a' });
    });

    it('both ways, alternating', async () => {
      const call = bidiStream(client, 'Banquet');
      const names: unknown[] = [];
      call.on('data', ({ name }) => {
        names.push(name);
        if (names.length === 3) call.end();
        else call.write({ name: `guest ${names.length}` });
      });
      call.write({ name: 'guest 0' });
      await outcome(call);
      expect(names).toEqual(['Hello guest 0', 'Hello guest 1', 'Hello guest 2']);
    });
  });

  it('carries metadata both ways', async () => {
    const metadata = new Metadata();
    metadata.set('x-table', '7');
    metadata.set('x-raw-bin', Buffer.of(0, 255, 7));
    metadata.set('micro-namespace', 'acme');
    const {
      messages,
      headers,
      status: end,
    } = await unary(client, 'Cook', { name: 'meta' }, { metadata, options: { deadline: Date.now() + 5000 } });
    const notes = messages[0]?.['notes'] as Record<string, string>;
    expect(notes).toMatchObject({ namespace: 'acme', peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    expect(JSON.parse(notes['metadata'] as string)).toMatchObject({ 'x-table': ['7'], 'x-raw-bin': ['AP8H'] });
    expect(Number(notes['left'])).toBeGreaterThan(1000);
    expect(headers?.get('x-oven')).toEqual(['hot, hotter']);
    expect(headers?.get('x-raw-bin')).toEqual([Buffer.of(0, 255, 7)]);
    expect(end.metadata.get('x-smoke')).toEqual(['no']);
  });

  describe('errors', () => {
    it('have status, message, details, metadata and who raised it', async () => {
      const { headers, status: end } = await unary(client, 'Cook', { name: 'burn' });
      expect(end).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'burnt: 100% ash ☠ \n' });
      expect(headers?.get('x-oven')).toEqual(['hot']);
      expect([
        end.metadata.get('micro-error-id'),
        end.metadata.get('retry-after'),
        end.metadata.get('x-smoke'),
      ]).toEqual([['stove'], ['7'], ['yes']]);
      const [bytes] = end.metadata.get('grpc-status-details-bin') as Buffer[];
      expect(bytes?.subarray(0, 2)).toEqual(Buffer.of(0x08, status.FAILED_PRECONDITION));
      expect(bytes?.includes('type.googleapis.com/kitchen.v1.Dish')).toBe(true);
    });

    it('of a fault tell nothing', async () => {
      const { status: end } = await unary(client, 'Cook', { name: 'crash' });
      expect(end).toMatchObject({ code: status.INTERNAL, details: expect.stringMatching(/trace [0-9a-f]{32}$/) });
    });

    it('come after the messages of a stream', async () => {
      const { messages, status: end } = await outcome(serverStream(client, 'Courses', { name: 'burn', count: 3n }));
      expect(messages).toHaveLength(1);
      expect(end).toMatchObject({ code: status.FAILED_PRECONDITION });
    });

    it('may come before the requests have ended', async () => {
      const call = bidiStream(client, 'Banquet');
      call.write({ name: 'burn' });
      expect((await outcome(call)).status.code).toBe(status.FAILED_PRECONDITION);
    });

    it('for methods that nobody implements, and that nobody knows', async () => {
      expect((await unary(client, 'Nobody', {})).status).toMatchObject({ code: status.UNIMPLEMENTED });
      const stranger = plainClient(
        { ...Kitchen, methods: Kitchen.methods.map((method) => ({ ...method, path: '/kitchen.v1.Garden/Dig' })) },
        server.address,
      );
      const { status: end } = await unary(stranger, 'Cook', {});
      stranger.close();
      expect(end).toMatchObject({
        code: status.UNIMPLEMENTED,
        details: expect.stringContaining('/kitchen.v1.Garden/Dig'),
      });
    });

    it('survive any text', async () => {
      await using odd = await openKitchen({
        intercept: () => {
          throw new Error(`\ud800 ${'x'.repeat(20_000)}`);
        },
      });
      const other = plainClient(Kitchen, odd.address);
      expect((await unary(other, 'Cook', {})).status.code).toBe(status.INTERNAL);
      other.close();
    });
  });

  describe('errors whose metadata no header can carry', () => {
    it('reach their callers without it, in both lanes', async () => {
      const metadata = { 'not a name': 'x', 'x-text': 'süß', 'x-fine': 'yes' };
      await using odd = await openKitchen({
        ...lane,
        intercept: () => Promise.reject(new MicroError('aborted', 'odd', { metadata })),
      });
      const other = plainClient(Kitchen, odd.address);
      const { status: end } = await unary(other, 'Cook', {}, { options: { deadline: Date.now() + 10_000 } });
      expect(end).toMatchObject({ code: status.ABORTED, details: 'odd' });
      expect(end.metadata.get('x-fine')).toEqual(['yes']);
      other.close();
      const answer = await fetch(`http://${odd.address}/kitchen.v1.Kitchen/Cook`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      });
      expect([answer.status, await answer.json()]).toMatchObject([409, { code: 'aborted', message: 'odd' }]);
    });
  });

  describe('cancellation and deadlines', () => {
    it('a deadline ends the call and aborts its handler', async () => {
      const { status: end } = await unary(
        client,
        'Cook',
        { name: 'wait' },
        { options: { deadline: Date.now() + 100 } },
      );
      expect(end.code).toBe(status.DEADLINE_EXCEEDED);
      await until('the handler was aborted', () =>
        ['deadline_exceeded', 'canceled'].includes(seen.aborted.pop()?.code ?? ''),
      );
      await until('nothing is in flight', () => metrics.inFlight('server') === 0);
    });

    it('cancelling a unary call aborts its handler', async () => {
      const call = (client['Cook'] as (request: object, callback: () => void) => { cancel(): void }).call(
        client,
        { name: 'wait' },
        () => undefined,
      );
      await until('the call is in flight', () => metrics.inFlight('server') === 1);
      call.cancel();
      await until('the handler was aborted', () => seen.aborted.pop()?.code === 'canceled');
    });

    it('cancelling a stream ends its generator', async () => {
      const call = bidiStream(client, 'Banquet');
      call.on('error', () => undefined);
      call.on('data', () => call.cancel());
      call.write({ name: 'a' });
      await until('the handler was aborted', () => seen.aborted.pop()?.code === 'canceled');
    });

    it('a caller whose process is killed ends the generator at once: no ping has to find out', async () => {
      const [host, port] = server.address.split(':') as [string, string];
      const socket = connect(Number(port), host);
      const session = http2Connect(`http://${server.address}`, { createConnection: () => socket });
      session.on('error', () => undefined);
      const stream = session.request(grpcRequest('Banquet'));
      stream.on('error', () => undefined).write(framed({ name: 'a' }));
      await once(stream, 'data');
      seen.aborted.length = 0;
      // As the system does for a process that is no more.
      socket.destroy();
      await until('the handler was aborted', () => seen.aborted.pop()?.code === 'canceled', 5_000);
    });

    it('keeps deadlines of many days', async () => {
      const { status: end } = await unary(
        client,
        'Cook',
        { name: 'slow' },
        { options: { deadline: Date.now() + 90 * 24 * 3600 * 1000 } },
      );
      expect(end.code).toBe(status.OK);
    });
  });

  it('does not produce what nobody reads', async () => {
    seen.finished = 0;
    const session = http2Connect(`http://${server.address}`);
    const stream = session.request(grpcRequest('Courses'));
    stream.end(framed({ name: 'large', count: 1000n }));
    // 60 KB each, where the stream's window has 64 KB and nobody opens it.
    await until('the first message is there', () => stream.readableLength > 50_000 || seen.finished > 0);
    // Time enough for the server to produce more, if it would.
    for (let round = 0; round < 20; round++) await new Promise((resolve) => session.ping(resolve));
    expect(seen.finished).toBeLessThan(5);
    let read = 0;
    stream.on('data', (chunk: Buffer) => (read += chunk.length));
    await until('all is read', () => read > 60_000_000);
    session.close();
  });

  describe('messages', () => {
    it('over the limit are refused', async () => {
      expect((await unary(client, 'Cook', { name: 'x'.repeat(65_000) })).status.code).toBe(status.OK);
      const { status: end } = await unary(client, 'Cook', { name: 'x'.repeat(70_000) });
      expect(end).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: expect.stringContaining('65536 bytes') });
      expect(end.metadata.get('micro-error-id')).toEqual(['kitchen']);
    });

    it('compressed are understood, answered in kind, and held to the limit', async () => {
      const compressed = plainClient(Kitchen, server.address, {
        'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
      });
      const { messages, headers } = await unary(compressed, 'Cook', { name: 'y'.repeat(5000) });
      expect(messages[0]?.['name']).toBe(`Hello ${'y'.repeat(5000)}`);
      expect(headers?.get('grpc-encoding')).toEqual([]);
      expect((await unary(compressed, 'Cook', { name: 'x'.repeat(1_000_000) })).status.code).toBe(
        status.RESOURCE_EXHAUSTED,
      );
      compressed.close();
    });

    it('compressed answers are smaller on the wire', async () => {
      const gzip = await rawCall({ 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'gzip' });
      expect(gzip.headers['grpc-encoding']).toBe('gzip');
      expect(gzip.body[0]).toBe(1);
      expect(gzip.body.length).toBeLessThan(500);
      const plain = await rawCall({ 'grpc-accept-encoding': 'gzip' });
      expect(plain.body[0]).toBe(0);
      expect(plain.body.length).toBeGreaterThan(20_000);
    });

    function rawCall(headers: Record<string, string>): Promise<{ headers: Record<string, unknown>; body: Buffer }> {
      return new Promise((resolve, reject) => {
        const session = http2Connect(`http://${server.address}`);
        const stream = session.request({ ...grpcRequest('Cook'), ...headers });
        const chunks: Buffer[] = [];
        let answered: Record<string, unknown> = {};
        stream
          .on('response', (received) => (answered = received))
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('error', reject);
        stream.on('end', () => {
          session.close();
          resolve({ headers: answered, body: Buffer.concat(chunks) });
        });
        stream.end(framed({ name: 'large', count: 20_000n }));
      });
    }
  });

  it('answers plain HTTP/2 with an HTTP status', async () => {
    const session = http2Connect(`http://${server.address}`);
    const statusOf = (headers: Record<string, string>) =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': '/kitchen.v1.Kitchen/Cook', ...headers });
        stream.on('response', (received) => resolve(received[constants.HTTP2_HEADER_STATUS])).on('error', reject);
        stream.resume();
        stream.end();
      });
    expect(await statusOf({ ':method': 'GET' })).toBe(405);
    expect(await statusOf({ ':method': 'POST', 'content-type': 'application/json' })).toBe(415);
    expect(await statusOf({ ':method': 'POST', 'content-type': 'application/grpc+thrift' })).toBe(415);
    session.close();
  });

  it('hands requests for unknown paths to who asked for them', async () => {
    await using odd = await openKitchen({
      http2: (stream) => stream.respond([':status', stream.header(':path') === '/raw' ? '204' : '404'], { end: true }),
    });
    const session = http2Connect(`http://${odd.address}`);
    const answered = await new Promise((resolve) =>
      session.request({ ':path': '/raw' }).on('response', (headers) => resolve(headers[':status'])),
    );
    session.close();
    expect(answered).toBe(204);
  });

  it('counts calls by method and outcome', async () => {
    const text = await metrics.render();
    expect(text).toMatch(
      /micro_rpc_server_duration_seconds_count\{method="\/kitchen\.v1\.Kitchen\/Cook",code="ok"\} [1-9]/,
    );
    expect(text).toMatch(/method="\/kitchen\.v1\.Kitchen\/Courses",code="failed_precondition"\} [1-9]/);
    expect(text).not.toContain('Garden');
    await until('nothing is in flight', () => metrics.inFlight('server') === 0);
  });

  it('refuses calls beyond the number at once', async () => {
    await using small = await openKitchen({ ...lane, limits: { concurrentCalls: 2 } });
    const other = plainClient(Kitchen, small.address);
    const answers = await Promise.all(Array.from({ length: 3 }, () => unary(other, 'Cook', { name: 'slow' })));
    expect(answers.map(({ status: { code } }) => code).sort()).toEqual([
      status.OK,
      status.OK,
      status.RESOURCE_EXHAUSTED,
    ]);
    other.close();
  });

  function grpcRequest(method: string): Record<string, string> {
    return {
      ':method': 'POST',
      ':path': `/kitchen.v1.Kitchen/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    };
  }

  function framed(order: object): Buffer {
    const message = Kitchen.methods[0]?.input.encode(order) as Uint8Array;
    return Buffer.concat([Buffer.of(0, 0, 0, 0, message.length), message]);
  }
});
