import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Metadata } from '../metadata.js';
import { Cancellation } from './cancellation.js';
import { Client } from './client.js';
import { echoSchema, echoServer, Nodes } from './echo.fixture.js';
import { headerOf } from './exchange.js';
import type { ForwardRequest } from './options.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function proxyOf(handlers: Parameters<typeof echoServer>[0] = {}, connect = true): Promise<Client> {
  const server = await echoServer(handlers);
  const client = new Client({ discovery: new Nodes({ address: server.address, connect }) });
  closers.push(
    () => server.close({ graceMs: 0 }),
    () => client.close(),
  );
  return client;
}

const note = echoSchema.message('echo.Note');
const say: ForwardRequest = {
  service: 'echo',
  namespace: 'acme',
  path: '/echo.Echo/Say',
  contentType: 'application/json',
  body: Buffer.from('{"text":"hi"}'),
  headers: [],
  idempotent: false,
};
const binary: ForwardRequest = { ...say, contentType: 'application/proto', body: note.encode({ text: 'hi' }) };

describe('forward', () => {
  it('passes bytes and headers, there and back', async () => {
    const seen: string[] = [];
    const client = await proxyOf({
      say: (request, { metadata, namespace, responseHeaders, responseTrailers }) => {
        seen.push(namespace, metadata.get('x-mine') ?? '', metadata.get('traceparent') ?? '');
        responseHeaders.set('x-header', 'h');
        responseTrailers.set('x-trailer', 't');
        return request;
      },
    });
    const answer = await client.forward({ ...say, headers: ['x-mine', 'm', 'traceparent', 'tp'] });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body.toString())).toEqual({ text: 'hi' });
    expect(seen).toEqual(['acme', 'm', 'tp']);
    expect(headerOf(answer.headers, 'content-type')).toBe('application/json');
    expect([headerOf(answer.headers, 'x-header'), headerOf(answer.headers, 'trailer-x-trailer')]).toEqual(['h', 't']);
    for (const own of ['connection', 'keep-alive', 'date', 'content-length'])
      expect(headerOf(answer.headers, own)).toBeUndefined();
  });

  it.each([true, false])('passes errors of the service on as answers (Connect: %s)', async (connect) => {
    const details = [{ type: 'echo.Note', value: new Uint8Array([1, 2]) }];
    const client = await proxyOf(
      {
        say: () =>
          Promise.reject(
            new MicroError('not_found', 'no such thing', { id: 'shelf', details, metadata: { 'x-why': 'gone' } }),
          ),
      },
      connect,
    );
    const answer = await client.forward(binary);
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body.toString())).toEqual({
      code: 'not_found',
      message: 'no such thing',
      details: [{ type: 'echo.Note', value: 'AQI' }],
    });
    expect([headerOf(answer.headers, 'content-type'), headerOf(answer.headers, 'micro-error-id')]).toEqual([
      'application/json',
      'shelf',
    ]);
  });

  it('reaches nodes that only speak gRPC, in binary', async () => {
    const client = await proxyOf(
      { say: (request, { namespace, responseTrailers }) => (responseTrailers.set('x-trailer', namespace), request) },
      false,
    );
    const answer = await client.forward(binary);
    expect(note.decode(answer.body)).toMatchObject({ text: 'hi' });
    expect([headerOf(answer.headers, 'content-type'), headerOf(answer.headers, 'trailer-x-trailer')]).toEqual([
      'application/proto',
      'acme',
    ]);
    await expect(client.forward(say)).rejects.toMatchObject({ code: 'unimplemented' });
    expect([await client.speaksConnect('echo', 'acme'), await client.speaksConnect('nobody', 'acme')]).toEqual([
      false,
      false,
    ]);
  });

  it('rejects where there is no answer', async () => {
    const client = await proxyOf({ say: () => new Promise(() => undefined) });
    await expect(client.forward({ ...say, service: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(client.forward({ ...say, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'canceled' });
    await expect(client.forward({ ...say, timeoutMs: 0 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await expect(client.forward({ ...say, headers: ['x-bad', 'a\nb'] })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
  });
});

describe('a Cancellation', () => {
  it('cancels the call, here and there, before and while it is under way, and nothing after', async () => {
    const aborted: string[] = [];
    const client = await proxyOf({
      say: ({ text }, { signal }) =>
        new Promise((resolve) =>
          text === 'done' ? resolve({}) : signal.addEventListener('abort', () => aborted.push(text)),
        ),
    });
    const of = (text: string, cancellation: Cancellation) =>
      client.forward({ ...say, body: Buffer.from(JSON.stringify({ text })), signal: cancellation });
    const before = new Cancellation();
    before.cancel();
    await expect(of('before', before)).rejects.toMatchObject({ code: 'canceled' });
    const during = new Cancellation();
    const call = of('during', during);
    setTimeout(() => during.cancel(new MicroError('deadline_exceeded', 'mine')), 50);
    await expect(call).rejects.toMatchObject({ code: 'deadline_exceeded', detail: 'mine' });
    await until('the service has heard', () => aborted.length === 1);
    const after = new Cancellation();
    expect((await of('done', after)).status).toBe(200);
    after.cancel();
    expect(aborted).toEqual(['during']);
  });
});

describe('forwardStream', () => {
  const all = async (messages: AsyncIterable<Uint8Array>) => {
    const notes = [];
    for await (const bytes of messages) notes.push(note.decode(bytes));
    return notes;
  };
  async function* notes(...texts: string[]) {
    for (const text of texts) yield note.encode({ text });
  }
  const request = { service: 'echo', namespace: 'acme', headers: new Metadata({ 'x-mine': 'm' }) };

  it('passes messages, headers, trailers', async () => {
    const client = await proxyOf({
      async *both(requests, { namespace, metadata, responseHeaders, responseTrailers }) {
        responseHeaders.set('x-header', `${namespace} ${metadata.get('x-mine')}`);
        for await (const one of requests) yield one;
        responseTrailers.set('x-trailer', 't');
      },
    });
    const stream = client.forwardStream({ ...request, path: '/echo.Echo/Both', messages: notes('a', 'b') });
    expect((await stream.headers).get('x-header')).toBe('acme m');
    expect(await all(stream.messages)).toMatchObject([{ text: 'a' }, { text: 'b' }]);
    expect((await stream.trailers).get('x-trailer')).toBe('t');
  });

  it('passes unary calls and their errors', async () => {
    const client = await proxyOf({
      look: () => Promise.reject(new MicroError('aborted', 'no', { metadata: { 'x-why': 'so' } })),
    });
    const good = client.forwardStream({ ...request, path: '/echo.Echo/Say', messages: notes('a') });
    expect(await all(good.messages)).toMatchObject([{ text: 'a' }]);
    const bad = client.forwardStream({ ...request, path: '/echo.Echo/Look', messages: notes('a') });
    expect(await all(bad.messages)).toEqual([]);
    await expect(bad.trailers).rejects.toMatchObject({ code: 'aborted', detail: 'no', metadata: { 'x-why': ['so'] } });
  });

  it('ends with an error, not in silence, where no node is', async () => {
    const client = await proxyOf();
    const stream = client.forwardStream({ ...request, service: 'nobody', path: '/x.Y/Z', messages: notes('a') });
    expect((await stream.headers).size).toBe(0);
    expect(await all(stream.messages)).toEqual([]);
    await expect(stream.trailers).rejects.toMatchObject({ code: 'not_found' });
  });

  it('cancels when its reader goes, and by signal', async () => {
    let aborted = 0;
    const client = await proxyOf({
      async *down(_request, { signal }) {
        signal.addEventListener('abort', () => aborted++);
        yield {};
        await new Promise(() => undefined);
      },
    });
    const left = client.forwardStream({ ...request, path: '/echo.Echo/Down', messages: notes('a') });
    for await (const _ of left.messages) break;
    await expect(left.trailers).rejects.toMatchObject({ code: 'canceled' });
    const abort = new AbortController();
    const signaled = client.forwardStream({
      ...request,
      path: '/echo.Echo/Down',
      messages: notes('a'),
      signal: abort.signal,
    });
    await signaled.messages[Symbol.asyncIterator]().next();
    abort.abort();
    await expect(signaled.trailers).rejects.toMatchObject({ code: 'canceled' });
    await until('the service has heard of both', () => aborted === 2);
  });
});
