import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { request as httpRequest } from 'node:http';
import { parseSchema } from '@micro/proto';
import { createLogger, Metrics } from '@micro/telemetry';
import { until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Kitchen, kitchen, openKitchen, type Seen } from './kitchen.fixture.js';
import type { RpcServer } from './server.js';

const json = { 'content-type': 'application/json' };
const [cook] = Kitchen.methods;
const seen: Seen = { aborted: [], finished: 0 };
const lines: string[] = [];
const metrics = new Metrics();
let server: RpcServer & AsyncDisposable;

beforeAll(async () => {
  const logger = createLogger({ name: 'kitchen', stream: { write: (line: string) => lines.push(line) } });
  server = await openKitchen({ logger, metrics, limits: { messageBytes: 64 * 1024 } }, seen);
});
afterAll(() => server.close({ graceMs: 0 }));

function call(method: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://${server.address}/kitchen.v1.Kitchen/${method}`, {
    method: 'POST',
    headers: json,
    body: '{"name":"Alice"}',
    ...init,
  });
}

describe('a unary call', () => {
  it('in JSON', async () => {
    const response = await call('Cook', { body: '{"name":"Alice","count":"9007199254740993"}' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({ name: 'Hello Alice', count: '9007199254740993' });
  });

  it('in JSON, with 64-bit integers written as numbers', async () => {
    const response = await call('Cook', { body: '{"name":"Alice","count":9007199254740993}' });
    expect(await response.json()).toEqual({ name: 'Hello Alice', count: '9007199254740993' });
  });

  it('in binary', async () => {
    const body = cook?.input.encode({ name: 'Alice' });
    const response = await call('Cook', {
      headers: { 'content-type': 'application/proto' },
      body: body as Uint8Array<ArrayBuffer>,
    });
    expect(response.headers.get('content-type')).toBe('application/proto');
    expect(cook?.output.decode(new Uint8Array(await response.arrayBuffer()))).toMatchObject({ name: 'Hello Alice' });
  });

  it('with a charset, in any case, with an empty body', async () => {
    expect((await call('Cook', { headers: { 'content-type': 'Application/JSON; charset=utf-8' } })).status).toBe(200);
    expect(await (await call('Cook', { body: '' })).json()).toEqual({ name: 'Hello ' });
  });

  it('as curl sends it, but not as a browser does', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect(await (await call('Cook', { headers: form })).json()).toEqual({ name: 'Hello Alice' });
    const response = await call('Cook', { headers: { ...form, origin: 'https://evil.example' } });
    expect(response.status).toBe(415);
  });

  it('in pieces, without a length', async () => {
    const body = new ReadableStream({
      async start(controller) {
        for (const piece of ['{"na', 'me":"Al', 'ice"}']) controller.enqueue(new TextEncoder().encode(piece));
        controller.close();
      },
    });
    expect(await (await call('Cook', { body, duplex: 'half' } as RequestInit)).json()).toEqual({ name: 'Hello Alice' });
  });

  it('carries metadata both ways', async () => {
    const headers = {
      ...json,
      'X-Table': '7',
      'x-raw-bin': 'AP8H',
      'micro-namespace': 'acme',
      'micro-from-service': 'waiter',
      'connect-timeout-ms': '2000',
    };
    const response = await call('Cook', { headers, body: '{"name":"meta"}' });
    expect(response.headers.get('x-oven')).toBe('hot, hotter');
    expect(response.headers.get('x-raw-bin')).toBe('AP8H');
    expect(response.headers.get('trailer-x-smoke')).toBe('no');
    const { notes } = (await response.json()) as { notes: Record<string, string> };
    expect(notes).toMatchObject({
      namespace: 'acme',
      from: 'waiter',
      peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    expect(JSON.parse(notes['metadata'] as string)).toMatchObject({ 'x-table': ['7'], 'x-raw-bin': ['AP8H'] });
    expect(JSON.parse(notes['metadata'] as string)).not.toHaveProperty('content-type');
    expect(Number(notes['left'])).toBeGreaterThan(0);
    expect(Number(notes['left'])).toBeLessThanOrEqual(2000);
  });
});

describe('a failed call', () => {
  it('has code, message, details, metadata and who raised it', async () => {
    const response = await call('Cook', { body: '{"name":"burn"}' });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      code: 'failed_precondition',
      message: 'burnt: 100% ash ☠ \n',
      details: [{ type: 'kitchen.v1.Dish', value: 'CgNhc2g' }],
    });
    const { headers } = response;
    expect([
      headers.get('micro-error-id'),
      headers.get('retry-after'),
      headers.get('x-oven'),
      headers.get('trailer-x-smoke'),
    ]).toEqual(['stove', '7', 'hot', 'yes']);
  });

  it('tells nothing of a fault but where to look it up', async () => {
    const response = await call('Cook', { body: '{"name":"crash"}' });
    expect(response.status).toBe(500);
    const { code, message } = (await response.json()) as { code: string; message: string };
    expect(code).toBe('internal');
    expect(message).not.toContain('recipe');
    const trace = /trace ([0-9a-f]{32})$/.exec(message)?.[1];
    const logged = lines.filter((line) => line.includes(trace as string));
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('the secret recipe is 42');
  });

  it.each([
    ['of an unknown method', 'Bake', {}, '404 unimplemented'],
    ['of a method without handler', 'Nobody', {}, '501 unimplemented'],
    ['of a stream', 'Courses', {}, '415 unimplemented'],
    ['by another verb', 'Cook', { method: 'DELETE', body: undefined }, '405 unknown'],
    ['by GET where calling has effects', 'Cook', { method: 'GET', body: undefined }, '405 unknown'],
    ['of another type', 'Cook', { headers: { 'content-type': 'image/jpeg' } }, '415 unknown'],
    ['of a stream type', 'Cook', { headers: { 'content-type': 'application/connect+json' } }, '415 unknown'],
    ['of gRPC', 'Cook', { headers: { 'content-type': 'application/grpc' } }, '415 unknown'],
    ['in an unknown compression', 'Cook', { headers: { ...json, 'content-encoding': 'zstd' } }, '501 unimplemented'],
    ['in a wrong compression', 'Cook', { headers: { ...json, 'content-encoding': 'gzip' } }, '400 invalid_argument'],
    ['of another version', 'Cook', { headers: { ...json, 'connect-protocol-version': '2' } }, '400 invalid_argument'],
    ['with a malformed timeout', 'Cook', { headers: { ...json, 'connect-timeout-ms': '1s' } }, '400 invalid_argument'],
    ['without time', 'Cook', { headers: { ...json, 'connect-timeout-ms': '0' } }, '504 deadline_exceeded'],
  ])('%s', async (_what, method, init, answer) => {
    const response = await call(method, init as RequestInit);
    const body = (await response.json()) as { code: string; message: string };
    expect(`${response.status} ${body.code}`).toBe(answer);
    expect(body.message.length).toBeGreaterThan(10);
  });

  it('by deadline aborts the handler', async () => {
    const response = await call('Cook', { body: '{"name":"wait"}', headers: { ...json, 'connect-timeout-ms': '50' } });
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ code: 'deadline_exceeded' });
    expect(seen.aborted.pop()?.code).toBe('deadline_exceeded');
  });

  it('by a caller who goes away aborts the handler', async () => {
    const abort = new AbortController();
    const response = call('Cook', { body: '{"name":"wait"}', signal: abort.signal }).catch(
      (error: Error) => error.name,
    );
    await until('the call is in flight', () => metrics.inFlight('server') === 1);
    abort.abort();
    expect(await response).toBe('AbortError');
    await until('the handler was aborted', () => seen.aborted.pop()?.code === 'canceled');
  });
});

describe('GET', () => {
  const get = (query: string) => fetch(`http://${server.address}/kitchen.v1.Kitchen/Menu${query}`);

  it.each([
    ['JSON', `?connect=v1&encoding=json&message=${encodeURIComponent('{"name":"Ä&lice"}')}`, 'Hello Ä&lice'],
    [
      'JSON in base64',
      `?connect=v1&encoding=json&base64=1&message=${Buffer.from('{"name":"Alice"}').toString('base64url')}`,
      'Hello Alice',
    ],
    [
      'compressed',
      `?encoding=json&compression=gzip&base64=1&message=${gzipSync('{"name":"Alice"}').toString('base64url')}`,
      'Hello Alice',
    ],
    ['nothing', '', 'Hello '],
  ])('takes %s', async (_what, query, name) => {
    expect(await (await get(query)).json()).toEqual({ name });
  });

  it('takes binary', async () => {
    const message = Buffer.from(cook?.input.encode({ name: 'Alice' }) as Uint8Array).toString('base64url');
    const response = await get(`?connect=v1&encoding=proto&base64=1&message=${message}`);
    expect(cook?.output.decode(new Uint8Array(await response.arrayBuffer()))).toMatchObject({ name: 'Hello Alice' });
  });

  it.each([
    ['?encoding=xml', 415],
    ['?connect=v2', 400],
    ['?message={', 400],
    ['?compression=zstd&message=x', 501],
  ])('refuses %s', async (query, status) => {
    expect((await get(query)).status).toBe(status);
  });
});

describe('compression', () => {
  it('of requests', async () => {
    const response = await call('Cook', {
      body: gzipSync('{"name":"Alice"}') as Uint8Array<ArrayBuffer>,
      headers: { ...json, 'content-encoding': 'gzip' },
    });
    expect(await response.json()).toEqual({ name: 'Hello Alice' });
  });

  it.each([
    ['gzip, br', 'gzip', gunzipSync],
    ['br, gzip;q=0', 'br', brotliDecompressSync],
  ])('of large answers to who accepts %s', async (accepted, used, decode) => {
    const answer = await raw('{"name":"large","count":2000}', accepted);
    expect(answer.encoding).toBe(used);
    expect(JSON.parse(decode(answer.body).toString())).toEqual({ name: 'x'.repeat(2000) });
    expect(answer.body.length).toBeLessThan(200);
  });

  it('not of small ones, nor unasked', async () => {
    expect((await raw('{"name":"large","count":20}', 'gzip')).encoding).toBeUndefined();
    expect((await raw('{"name":"large","count":2000}', 'identity')).encoding).toBeUndefined();
  });

  it('cannot be used to get round the limit', async () => {
    const bomb = gzipSync(JSON.stringify({ name: 'x'.repeat(1024 * 1024) }));
    expect(bomb.length).toBeLessThan(64 * 1024);
    const response = await call('Cook', {
      body: bomb as Uint8Array<ArrayBuffer>,
      headers: { ...json, 'content-encoding': 'gzip' },
    });
    expect(await response.json()).toMatchObject({ code: 'resource_exhausted' });
  });

  /** `fetch` would undo the compression. */
  function raw(body: string, accepted: string): Promise<{ encoding: string | undefined; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        `http://${server.address}/kitchen.v1.Kitchen/Cook`,
        { method: 'POST', headers: { ...json, 'accept-encoding': accepted } },
        async (response) => {
          const chunks: Buffer[] = [];
          for await (const chunk of response) chunks.push(chunk as Buffer);
          resolve({ encoding: response.headers['content-encoding'], body: Buffer.concat(chunks) });
        },
      );
      request.once('error', reject);
      request.end(body);
    });
  }
});

describe('limits', () => {
  it('refuses a body that says it is too large, before it is sent', async () => {
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(`http://${server.address}/kitchen.v1.Kitchen/Cook`, {
        method: 'POST',
        headers: { ...json, 'content-length': 10_000_000, expect: '100-continue' },
      });
      request.once('continue', () => reject(new Error('was told to go on')));
      request.once('response', (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.once('error', reject);
      request.flushHeaders();
    });
    expect(answer).toBe(429);
  });

  it('refuses a body that turns out too large', async () => {
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(16 * 1024).fill(32));
        if (controller.desiredSize === null) controller.close();
      },
    });
    const response = await call('Cook', { body, duplex: 'half' } as RequestInit);
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({
      code: 'resource_exhausted',
      message: expect.stringContaining('65536 bytes'),
    });
  });

  it('refuses calls beyond the number at once, and takes them again later', async () => {
    await using small = await openKitchen({ limits: { concurrentCalls: 2 } });
    const url = `http://${small.address}/kitchen.v1.Kitchen/Cook`;
    const slow = () => fetch(url, { method: 'POST', headers: json, body: '{"name":"slow"}' });
    const answers = await Promise.all([slow(), slow(), slow()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
    expect((await slow()).status).toBe(200);
  });
});

it('refuses the same service twice', () => {
  expect(() => (server as RpcServer).add(Kitchen, kitchen())).toThrow(/already served/);
});

it('takes no inherited function for a handler', async () => {
  const odd = parseSchema({
    'odd.proto':
      'syntax = "proto3"; package odd; service Odd { rpc ToString(M) returns (M); rpc ValueOf(M) returns (M); } message M { string text = 1; }',
  });
  class Implementation {
    valueOf(): object {
      return { text: 'mine' };
    }
  }
  await using bare = await openKitchen();
  bare.add(odd.service('odd.Odd'), new Implementation() as never);
  const ask = async (method: string) =>
    (await fetch(`http://${bare.address}/odd.Odd/${method}`, { method: 'POST', headers: json, body: '{}' })).json();
  expect(await ask('ToString')).toMatchObject({ code: 'unimplemented' });
  expect(await ask('ValueOf')).toEqual({ text: 'mine' });
});

it('says what it serves', () => {
  expect(server.services().map(({ name }) => name)).toEqual(['kitchen.v1.Kitchen']);
  expect(server.endpoints().find(({ path }) => path.endsWith('/Menu'))).toMatchObject({
    name: 'Kitchen.Menu',
    kind: 'unary',
    idempotency: 'noSideEffects',
  });
});
