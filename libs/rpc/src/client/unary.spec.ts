import { MicroError } from '@micro/errors';
import { Metrics } from '@micro/telemetry';
import { until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { fixedTargets } from '../discovery.js';
import type { CallContext } from '../handler.js';
import type { Metadata } from '../metadata.js';
import { Client } from './client.js';
import { Echo, echoSchema, Nodes, type Note } from './echo.fixture.js';
import { failure, Rig } from './rig.fixture.js';

const note = echoSchema.message('echo.Note');
const rig = new Rig();
afterEach(() => rig.close());

describe('a unary call', () => {
  it('brings the answer, and tells who calls', async () => {
    let seen: CallContext | undefined;
    const server = await rig.serve({
      say: (request, context) => {
        seen = context;
        context.responseHeaders.set('x-header', 'h');
        context.responseTrailers.set('x-trailer', 't').set('x-bytes-bin', new Uint8Array([0, 255]));
        return request;
      },
    });
    const got: Record<string, Metadata> = {};
    const echo = rig.client(server.address, { name: 'caller', namespace: 'acme' }).of(Echo);
    const answer = await echo.say(
      { text: 'hi', count: 3 },
      {
        metadata: { 'x-mine': ['1', '2'], 'x-raw-bin': new Uint8Array([1, 2]), 'micro-namespace': 'forged', te: 'x' },
        onHeaders: (headers) => (got['headers'] = headers),
        onTrailers: (trailers) => (got['trailers'] = trailers),
      },
    );
    expect(answer).toEqual({ text: 'hi', count: 3 });
    expect(seen).toMatchObject({ namespace: 'acme', from: 'caller' });
    expect(seen?.metadata.toJSON()).toMatchObject({
      'x-mine': ['1', '2'],
      'x-raw-bin': ['AQI='],
      traceparent: [expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)],
    });
    expect((seen?.deadline ?? 0) - Date.now()).toBeGreaterThan(3_000);
    expect((seen?.deadline ?? 0) - Date.now()).toBeLessThanOrEqual(5_000);
    expect(got['headers']?.get('x-header')).toBe('h');
    expect(got['trailers']?.toJSON()).toEqual({ 'x-trailer': ['t'], 'x-bytes-bin': ['AP8='] });
  });

  it('fails with the error of the service, whole', async () => {
    const details = [{ type: 'echo.Note', value: note.encode({ text: 'more' }) }];
    const server = await rig.serve({
      say: () => {
        throw new MicroError('failed_precondition', 'not ☕ yet', {
          id: 'kettle',
          details,
          metadata: { 'x-why': 'cold' },
        });
      },
    });
    const error = await failure(rig.client(server.address).of(Echo).say({}));
    expect(error.toJSON()).toEqual({ id: 'kettle', code: 'failed_precondition', detail: 'not ☕ yet', status: 400 });
    expect(error.details).toEqual(details);
    expect(error.metadata).toMatchObject({ 'x-why': ['cold'] });
  });

  it('keeps the trace of the metadata that it is given', async () => {
    let seen = '';
    const server = await rig.serve({
      say: (request, { metadata }) => ((seen = metadata.get('traceparent') ?? ''), request),
    });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await rig.client(server.address).of(Echo).say({}, { metadata: { traceparent } });
    expect(seen.slice(0, 35)).toBe(traceparent.slice(0, 35));
    expect(seen).not.toBe(traceparent);
  });

  it('is not_found, with what to do, for a service without nodes', async () => {
    const error = await failure(
      rig.client('127.0.0.1:1').of(Echo, { service: 'nobody' }).say({}, { namespace: 'acme' }),
    );
    expect(error.code).toBe('not_found');
    expect(error.detail).toMatch(/service "nobody" is not registered in namespace "acme".*micro services/);
  });

  it('waits for discovery, but not past the deadline', async () => {
    const server = await rig.serve();
    const late = { targets: async () => fixedTargets(server.address).targets('', '') };
    const never = { targets: () => new Promise<never>(() => undefined) };
    expect(await rig.client('', { discovery: late }).of(Echo).say({ text: 'late' })).toMatchObject({ text: 'late' });
    expect((await failure(rig.client('', { discovery: never }).of(Echo).say({}, { timeout: 30 }))).code).toBe(
      'deadline_exceeded',
    );
  });

  it('goes to an address where one is given', async () => {
    const server = await rig.serve();
    expect(await rig.client('127.0.0.1:1').of(Echo).say({ text: 'there' }, { address: server.address })).toMatchObject({
      text: 'there',
    });
  });

  it.each([
    ['text/html', 'unknown'],
    ['application/json', 'internal'],
  ])('refuses an answer of type %s', async (type, code) => {
    const address = await rig.http((_request, response) => response.writeHead(200, { 'content-type': type }).end('{}'));
    expect((await failure(rig.client(address).of(Echo).say({}))).code).toBe(code);
  });

  it('refuses an answer that is not the message', async () => {
    const address = await rig.http((_request, response) =>
      response.writeHead(200, { 'content-type': 'application/proto' }).end(Buffer.from([0xff, 0xff])),
    );
    expect((await failure(rig.client(address).of(Echo).say({}))).code).toBe('internal');
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
    const address = await rig.http((_request, response) =>
      response.writeHead(status, { 'content-type': 'text/plain' }).end('no'),
    );
    expect(await failure(rig.client(address).of(Echo).say({}))).toMatchObject({ code });
  });
});

describe('the deadline', () => {
  it('ends a call, here and there', async () => {
    let aborted: MicroError | undefined;
    const server = await rig.serve({
      say: (request, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject((aborted = signal.reason as MicroError))),
        ).then(() => request),
    });
    expect((await failure(rig.client(server.address).of(Echo).say({}, { timeout: 60 }))).code).toBe(
      'deadline_exceeded',
    );
    await until('the handler was aborted', () => aborted !== undefined);
  });

  it('does not wait for a service that says nothing', async () => {
    const address = await rig.http(() => undefined);
    const begun = performance.now();
    const error = await failure(rig.client(address).of(Echo).say({}, { timeout: 60 }));
    expect(error).toMatchObject({
      code: 'deadline_exceeded',
      detail: expect.stringMatching(/echo did not answer \/echo.Echo\/Say within 60 ms/),
    });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(60);
  });

  it('ends a call at once, unsent, when it has passed', async () => {
    let calls = 0;
    const server = await rig.serve({ say: (request) => (calls++, request) });
    const client = rig.client(server.address);
    for (const timeout of [0, -5])
      expect((await failure(client.of(Echo).say({}, { timeout }))).code).toBe('deadline_exceeded');
    await client.of(Echo).say({});
    expect(calls).toBe(1);
  });

  it('may be none', async () => {
    let deadline: number | undefined = 1;
    const server = await rig.serve({ say: (request, context) => ((deadline = context.deadline), request) });
    await rig.client(server.address).of(Echo).say({}, { timeout: Number.POSITIVE_INFINITY });
    expect(deadline).toBeUndefined();
  });
});

describe('cancellation', () => {
  it('ends a call, here and there', async () => {
    let aborted: MicroError | undefined;
    const abort = new AbortController();
    const server = await rig.serve({
      say: (request, { signal }) => {
        signal.addEventListener('abort', () => (aborted = signal.reason as MicroError));
        abort.abort();
        return new Promise<Note>(() => request);
      },
    });
    expect((await failure(rig.client(server.address).of(Echo).say({}, { signal: abort.signal }))).code).toBe(
      'canceled',
    );
    await until('the handler was aborted', () => aborted?.code === 'canceled');
  });

  it('may come from one signal for any number of calls', async () => {
    const warnings: unknown[] = [];
    const warned = (warning: unknown) => warnings.push(warning);
    process.on('warning', warned);
    const abort = new AbortController();
    const echo = rig.client((await rig.serve({ say: () => new Promise<Note>(() => undefined) })).address).of(Echo);
    const calls = Array.from({ length: 30 }, () => failure(echo.say({}, { signal: abort.signal })));
    setTimeout(() => abort.abort(), 50);
    for (const { code } of await Promise.all(calls)) expect(code).toBe('canceled');
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });

  it('sends nothing if it came first', async () => {
    let calls = 0;
    const server = await rig.serve({ say: (request) => (calls++, request) });
    const client = rig.client(server.address);
    expect((await failure(client.of(Echo).say({}, { signal: AbortSignal.abort() }))).code).toBe('canceled');
    await client.of(Echo).say({});
    expect(calls).toBe(1);
  });

  it('takes calls back that wait for a connection, without sending them', async () => {
    const seen: string[] = [];
    const server = await rig.serve({
      say: async (request) => (
        seen.push(request.text),
        new Promise((resolve) => setTimeout(() => resolve(request), 50))
      ),
    });
    const echo = rig.client(server.address, { limits: { connectionsPerNode: 1 } }).of(Echo);
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
    const server = await rig.serve({ say: () => new Promise<Note>(() => undefined) });
    const client = new Client({ discovery: new Nodes(server.address) });
    const pending = failure(client.of(Echo).say({}));
    await client.of(Echo).look({});
    await client.close();
    expect((await pending).code).toBe('canceled');
    expect((await failure(client.of(Echo).say({}))).code).toBe('canceled');
  });
});

describe('JSON', () => {
  it('goes out and comes back without a schema', async () => {
    const server = await rig.serve();
    const client = rig.client(server.address);
    expect(await client.json('echo', '/echo.Echo/Say', { text: 'plain' })).toEqual({ text: 'plain' });
    expect((await failure(client.json('echo', '/echo.Echo/Nothing', {}))).code).toBe('unimplemented');
    expect((await failure(client.json('echo', '/echo.Echo/Say', { count: 'many' }))).code).toBe('invalid_argument');
  });
});

describe('metrics', () => {
  it('count and time calls by their outcome', async () => {
    const metrics = new Metrics();
    const server = await rig.serve({ look: () => Promise.reject(new MicroError('aborted', 'no')) });
    const echo = rig.client(server.address, { metrics }).of(Echo);
    await echo.say({});
    await failure(echo.look({}));
    for await (const _ of echo.down({ count: 2 }));
    const text = await metrics.render();
    expect(text).toContain('micro_rpc_client_in_flight 0');
    expect(text).toMatch(/client_duration_seconds_count\{method="\/echo.Echo\/Say",code="ok"\} 1/);
    expect(text).toMatch(
      /client_duration_seconds_count\{method="\/echo.Echo\/Look",code="(aborted|already_exists)"\} 1/,
    );
    expect(text).toMatch(/client_duration_seconds_count\{method="\/echo.Echo\/Down",code="ok"\} 1/);
  });
});
