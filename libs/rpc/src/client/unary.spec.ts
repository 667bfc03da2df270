import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { Metrics } from '@micro/telemetry';
import { afterEach, describe, expect, it } from 'vitest';
import type { CallContext } from '../handler.js';
import { fixedTargets } from '../discovery.js';
import type { Metadata } from '../metadata.js';
import type { RpcServer } from '../server/server.js';
import { Client } from './client.js';
import { Echo, echoSchema, echoServer, Nodes, type Note } from './echo.fixture.js';
import type { ClientOptions } from './options.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function clientOf(server: RpcServer | string, options: Partial<ClientOptions> = {}): Client {
  const client = new Client({ discovery: new Nodes(typeof server === 'string' ? server : server.address), ...options });
  closers.push(() => client.close());
  return client;
}

async function serving(...args: Parameters<typeof echoServer>): Promise<RpcServer> {
  const server = await echoServer(...args);
  closers.push(() => server.close({ graceMs: 0 }));
  return server;
}

/** A plain HTTP server: for answers that no server of ours gives. */
async function httpServer(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function body(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const failure = (promise: Promise<unknown>): Promise<MicroError> =>
  promise.then(
    () => expect.unreachable('it should have failed'),
    (error) => {
      expect(error).toBeInstanceOf(MicroError);
      return error as MicroError;
    },
  );

const note = echoSchema.message('echo.Note');

describe('a unary call', () => {
  it('brings the answer, and tells who calls', async () => {
    let seen: CallContext | undefined;
    const server = await serving({
      say: (request, context) => {
        seen = context;
        context.responseHeaders.set('x-header', 'h');
        context.responseTrailers.set('x-trailer', 't').set('x-bytes-bin', new Uint8Array([0, 255]));
        return request;
      },
    });
    const got: Record<string, Metadata> = {};
    const echo = clientOf(server, { name: 'caller', namespace: 'acme' }).of(Echo);
    const answer = await echo.say(
      { text: 'hi', count: 3 },
      { metadata: { 'x-mine': ['1', '2'], 'x-raw-bin': new Uint8Array([1, 2]), 'micro-namespace': 'forged', te: 'x' }, onHeaders: (headers) => (got['headers'] = headers), onTrailers: (trailers) => (got['trailers'] = trailers) },
    );
    expect(answer).toEqual({ text: 'hi', count: 3 });
    expect(seen).toMatchObject({ namespace: 'acme', from: 'caller' });
    expect(seen?.metadata.toJSON()).toMatchObject({ 'x-mine': ['1', '2'], 'x-raw-bin': ['AQI='], traceparent: [expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)] });
    expect((seen?.deadline ?? 0) - Date.now()).toBeGreaterThan(3_000);
    expect((seen?.deadline ?? 0) - Date.now()).toBeLessThanOrEqual(5_000);
    expect(got['headers']?.get('x-header')).toBe('h');
    expect(got['trailers']?.toJSON()).toEqual({ 'x-trailer': ['t'], 'x-bytes-bin': ['AP8='] });
  });

  it('fails with the error of the service, whole', async () => {
    const details = [{ type: 'echo.Note', value: note.encode({ text: 'more' }) }];
    const server = await serving({
      say: () => {
        throw new MicroError('failed_precondition', 'not ☕ yet', { id: 'kettle', details, metadata: { 'x-why': 'cold' } });
      },
    });
    const error = await failure(clientOf(server).of(Echo).say({}));
    expect(error.toJSON()).toEqual({ id: 'kettle', code: 'failed_precondition', detail: 'not ☕ yet', status: 400 });
    expect(error.details).toEqual(details);
    expect(error.metadata).toMatchObject({ 'x-why': ['cold'] });
  });

  it('keeps the trace of the metadata that it is given', async () => {
    let seen = '';
    const server = await serving({ say: (request, { metadata }) => ((seen = metadata.get('traceparent') ?? ''), request) });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await clientOf(server).of(Echo).say({}, { metadata: { traceparent } });
    expect(seen.slice(0, 35)).toBe(traceparent.slice(0, 35));
    expect(seen).not.toBe(traceparent);
  });

  it('is not_found, with what to do, for a service without nodes', async () => {
    const error = await failure(clientOf('127.0.0.1:1').of(Echo, { service: 'nobody' }).say({}, { namespace: 'acme' }));
    expect(error.code).toBe('not_found');
    expect(error.detail).toMatch(/service "nobody" is not registered in namespace "acme".*micro services/);
  });

  it('waits for discovery, but not past the deadline', async () => {
    const server = await serving();
    const late = { targets: async () => fixedTargets(server.address).targets('', '') };
    const never = { targets: () => new Promise<never>(() => undefined) };
    expect(await clientOf('', { discovery: late }).of(Echo).say({ text: 'late' })).toMatchObject({ text: 'late' });
    expect((await failure(clientOf('', { discovery: never }).of(Echo).say({}, { timeout: 30 }))).code).toBe('deadline_exceeded');
  });

  it('goes to an address where one is given', async () => {
    const server = await serving();
    expect(await clientOf('127.0.0.1:1').of(Echo).say({ text: 'there' }, { address: server.address })).toMatchObject({ text: 'there' });
  });

  it.each([
    ['text/html', 'unknown'],
    ['application/json', 'internal'],
  ])('refuses an answer of type %s', async (type, code) => {
    const address = await httpServer((_request, response) => response.writeHead(200, { 'content-type': type }).end('{}'));
    expect((await failure(clientOf(address).of(Echo).say({}))).code).toBe(code);
  });

  it('refuses an answer that is not the message', async () => {
    const address = await httpServer((_request, response) => response.writeHead(200, { 'content-type': 'application/proto' }).end(Buffer.from([0xff, 0xff])));
    expect((await failure(clientOf(address).of(Echo).say({}))).code).toBe('internal');
  });

  it.each([
    [400, 'internal'],
    [401, 'unauthenticated'],
    [403, 'permission_denied'],
    [404, 'unimplemented'],
    [429, 'unavailable'],
    [502, 'unavailable'],
    [418, 'unknown'],
    [500, 'unknown'],
  ])('takes a bare HTTP %i for %s', async (status, code) => {
    const address = await httpServer((_request, response) => response.writeHead(status, { 'content-type': 'text/plain' }).end('no'));
    expect(await failure(clientOf(address).of(Echo).say({}))).toMatchObject({ code });
  });
});

describe('the deadline', () => {
  it('ends a call, here and there', async () => {
    let aborted: MicroError | undefined;
    const server = await serving({
      say: (request, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject((aborted = signal.reason as MicroError)))).then(() => request),
    });
    expect((await failure(clientOf(server).of(Echo).say({}, { timeout: 60 }))).code).toBe('deadline_exceeded');
    await until('the handler was aborted', () => aborted !== undefined);
  });

  it('does not wait for a service that says nothing', async () => {
    const address = await httpServer(() => undefined);
    const begun = performance.now();
    const error = await failure(clientOf(address).of(Echo).say({}, { timeout: 60 }));
    expect(error).toMatchObject({ code: 'deadline_exceeded', detail: expect.stringMatching(/echo did not answer \/echo.Echo\/Say within 60 ms/) });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(60);
  });

  it('ends a call at once, unsent, when it has passed', async () => {
    let calls = 0;
    const server = await serving({ say: (request) => (calls++, request) });
    const client = clientOf(server);
    for (const timeout of [0, -5]) expect((await failure(client.of(Echo).say({}, { timeout }))).code).toBe('deadline_exceeded');
    await client.of(Echo).say({});
    expect(calls).toBe(1);
  });

  it('may be none', async () => {
    let deadline: number | undefined = 1;
    const server = await serving({ say: (request, context) => ((deadline = context.deadline), request) });
    await clientOf(server).of(Echo).say({}, { timeout: Number.POSITIVE_INFINITY });
    expect(deadline).toBeUndefined();
  });
});

describe('cancellation', () => {
  it('ends a call, here and there', async () => {
    let aborted: MicroError | undefined;
    const abort = new AbortController();
    const server = await serving({
      say: (request, { signal }) => {
        signal.addEventListener('abort', () => (aborted = signal.reason as MicroError));
        abort.abort();
        return new Promise<Note>(() => request);
      },
    });
    expect((await failure(clientOf(server).of(Echo).say({}, { signal: abort.signal }))).code).toBe('canceled');
    await until('the handler was aborted', () => aborted?.code === 'canceled');
  });

  it('may come from one signal for any number of calls', async () => {
    const warnings: unknown[] = [];
    const warned = (warning: unknown) => warnings.push(warning);
    process.on('warning', warned);
    const abort = new AbortController();
    const echo = clientOf(await serving({ say: () => new Promise<Note>(() => undefined) })).of(Echo);
    const calls = Array.from({ length: 30 }, () => failure(echo.say({}, { signal: abort.signal })));
    setTimeout(() => abort.abort(), 50);
    for (const { code } of await Promise.all(calls)) expect(code).toBe('canceled');
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });

  it('sends nothing if it came first', async () => {
    let calls = 0;
    const server = await serving({ say: (request) => (calls++, request) });
    const client = clientOf(server);
    expect((await failure(client.of(Echo).say({}, { signal: AbortSignal.abort() }))).code).toBe('canceled');
    await client.of(Echo).say({});
    expect(calls).toBe(1);
  });

  it('takes calls back that wait for a connection, without sending them', async () => {
    const seen: string[] = [];
    const server = await serving({ say: async (request) => (seen.push(request.text), new Promise((resolve) => setTimeout(() => resolve(request), 50))) });
    const echo = clientOf(server, { limits: { connectionsPerNode: 1 } }).of(Echo);
    const abort = new AbortController();
    const first = echo.say({ text: 'first' });
    const second = failure(echo.say({ text: 'second' }, { signal: abort.signal }));
    const third = echo.say({ text: 'third' });
    abort.abort();
    expect((await second).code).toBe('canceled');
    await Promise.all([first, third]);
    expect(seen).toEqual(['first', 'third']);
  });

  it('is what closing the client does to calls under way, and to later ones', async () => {
    const server = await serving({ say: () => new Promise<Note>(() => undefined) });
    const client = new Client({ discovery: new Nodes(server.address) });
    const pending = failure(client.of(Echo).say({}));
    await client.of(Echo).look({});
    await client.close();
    expect((await pending).code).toBe('canceled');
    expect((await failure(client.of(Echo).say({}))).code).toBe('canceled');
  });
});

describe('limits', () => {
  it('refuses a request that is too large, unsent, and an answer', async () => {
    const server = await serving({ look: () => ({ text: 'x'.repeat(5_000) }) }, { limits: { messageBytes: 1e6 } });
    const echo = clientOf(server, { limits: { messageBytes: 1_000 } }).of(Echo);
    const large = await failure(echo.say({ text: 'x'.repeat(2_000) }));
    expect(large).toMatchObject({ code: 'resource_exhausted', detail: expect.stringMatching(/request is larger than 1000 bytes/) });
    const answer = await failure(echo.look({}));
    expect(answer).toMatchObject({ code: 'resource_exhausted', detail: expect.stringMatching(/answer is larger than 1000 bytes/) });
    expect(await echo.say({ text: 'fine' })).toMatchObject({ text: 'fine' });
  });

  it('refuses calls beyond those that may be under way', async () => {
    let release = () => undefined as void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const server = await serving({ say: (request) => gate.then(() => request) });
    const echo = clientOf(server, { limits: { concurrentCalls: 3 } }).of(Echo);
    const calls = [1, 2, 3].map(() => echo.say({}));
    expect(await failure(echo.say({}))).toMatchObject({ code: 'resource_exhausted', detail: expect.stringMatching(/3 calls to echo/) });
    release();
    await Promise.all(calls);
    await echo.say({});
  });

  it('makes do with the connections that it may have', async () => {
    const connections = new Set<unknown>();
    const address = await httpServer((request, response) => {
      connections.add(request.socket);
      setTimeout(() => response.writeHead(200, { 'content-type': 'application/proto' }).end(), 5);
    });
    const echo = clientOf(address, { limits: { connectionsPerNode: 4 } }).of(Echo);
    await Promise.all(Array.from({ length: 200 }, () => echo.say({})));
    expect(connections.size).toBe(4);
  });

  it('carries a thousand calls at a time', async () => {
    const server = await serving();
    const echo = clientOf(server).of(Echo);
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, count) => echo.look({ text: `${count}`, count: 1 }, { timeout: 18_000 })));
    expect(answers.map(({ text }) => text)).toEqual(answers.map((_, index) => `${index}`));
  });
});

describe('compression', () => {
  it('is understood', async () => {
    const address = await httpServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/proto', 'content-encoding': 'gzip' }).end(gzipSync(note.encode({ text: 'small' })));
    });
    expect(await clientOf(address).of(Echo).say({})).toMatchObject({ text: 'small' });
  });

  it('is used where it is asked for', async () => {
    let compressed = false;
    const address = await httpServer((request, response) => {
      void body(request).then((bytes) => {
        compressed = request.headers['content-encoding'] === 'gzip' && request.headers['accept-encoding'] === 'gzip';
        response.writeHead(200, { 'content-type': 'application/proto' }).end(compressed ? gunzipSync(bytes) : bytes);
      });
    });
    const echo = clientOf(address, { compressFrom: 100 }).of(Echo);
    expect(await echo.say({ text: 'x'.repeat(1000) })).toMatchObject({ text: 'x'.repeat(1000) });
    expect(compressed).toBe(true);
    await echo.say({ text: 'x' });
    expect(compressed).toBe(false);
  });

  it('does not get round the limit', async () => {
    const address = await httpServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/proto', 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(1_000_000)));
    });
    expect((await failure(clientOf(address, { limits: { messageBytes: 10_000 } }).of(Echo).say({}))).code).toBe('resource_exhausted');
  });
});

describe('JSON', () => {
  it('goes out and comes back without a schema', async () => {
    const server = await serving();
    const client = clientOf(server);
    expect(await client.json('echo', '/echo.Echo/Say', { text: 'plain' })).toEqual({ text: 'plain' });
    expect((await failure(client.json('echo', '/echo.Echo/Nothing', {}))).code).toBe('unimplemented');
    expect((await failure(client.json('echo', '/echo.Echo/Say', { count: 'many' }))).code).toBe('invalid_argument');
  });
});

describe('metrics', () => {
  it('count and time calls by their outcome', async () => {
    const metrics = new Metrics();
    const server = await serving({ look: () => Promise.reject(new MicroError('aborted', 'no')) });
    const echo = clientOf(server, { metrics }).of(Echo);
    await echo.say({});
    await failure(echo.look({}));
    for await (const _ of echo.down({ count: 2 }));
    const text = await metrics.render();
    expect(text).toContain('micro_rpc_client_in_flight 0');
    expect(text).toMatch(/client_duration_seconds_count\{method="\/echo.Echo\/Say",code="ok"\} 1/);
    expect(text).toMatch(/client_duration_seconds_count\{method="\/echo.Echo\/Look",code="(aborted|already_exists)"\} 1/);
    expect(text).toMatch(/client_duration_seconds_count\{method="\/echo.Echo\/Down",code="ok"\} 1/);
  });
});
