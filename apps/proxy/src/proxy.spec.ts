import grpc from '@grpc/grpc-js';
import { MicroError } from '@micro/errors';
import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import {
  endpointsOf,
  parseSchema,
  type BidiStream,
  type ClientStream,
  type ServerStream,
  type Unary,
} from '@micro/proto';
import { type Endpoint, openRegistry, type Registry } from '@micro/registry';
import { Client, fixedTargets, Metadata, RpcServer } from '@micro/rpc';
import { silentLogger } from '@micro/telemetry';
import { until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proxyApp } from './proxy.app.js';

interface Text {
  text: string;
}
const Echo = parseSchema({
  'echo.proto': `syntax = "proto3"; package echo;
    service Echo {
      rpc Say(Text) returns (Text);
      rpc Repeat(Text) returns (stream Text);
      rpc Join(stream Text) returns (Text);
      rpc Chat(stream Text) returns (stream Text);
    }
    message Text { string text = 1; }`,
}).service<{
  say: Unary<Text, Text>;
  repeat: ServerStream<Text, Text>;
  join: ClientStream<Text, Text>;
  chat: BidiStream<Text, Text>;
}>('echo.Echo');

describe('proxy', () => {
  let registry: Registry;
  let service: RpcServer;
  let app: RunningApp;
  let client: Client;
  let canceled = 0;

  beforeAll(async () => {
    registry = await openRegistry({ adapter: 'memory' });
    service = new RpcServer({ name: 'echo' }).add(Echo, {
      say: async ({ text }, context) => {
        if (text === 'fail')
          throw new MicroError('aborted', 'try “again”', {
            id: 'echo',
            metadata: { 'x-hint': 'later' },
            details: [{ type: 'echo.Text', value: new Uint8Array([10, 1, 120]) }],
          });
        if (text === 'wait') {
          await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
          canceled++;
        }
        context.responseHeaders.set('x-seen', context.metadata.get('x-sent') ?? '');
        context.responseHeaders.set('x-bytes-bin', context.metadata.all('x-bytes-bin')[0] ?? '');
        context.responseTrailers.set('x-after', 'done');
        return { text: `${text} ${context.deadline === undefined ? 'without' : 'with'} deadline` };
      },
      async *repeat({ text }) {
        for (let index = 0; index < 3; index++) yield { text: `${text}${index}` };
      },
      join: async (texts) => {
        let all = '';
        for await (const { text } of texts) all += text;
        return { text: all };
      },
      async *chat(texts) {
        for await (const { text } of texts) {
          if (text === 'fail') throw new MicroError('out_of_range', 'no further', { id: 'echo' });
          yield { text: text.toUpperCase() };
        }
      },
    });
    await service.listen();
    const node = { id: 'echo-1', address: service.address, metadata: { protocol: 'connect,grpc' } };
    const endpoints = endpointsOf(Echo) as Endpoint[];
    await registry.register({
      name: 'echo',
      version: '1',
      metadata: {},
      endpoints,
      nodes: [node],
      schema: Echo.schema.descriptorSet(),
    });
    app = await startApp(proxyApp, {
      environment: readEnvironment({ MICRO_PROFILE: 'test', MICRO_ADDRESS: '127.0.0.1:0', MICRO_HOME: '/nonexistent' }),
      registry,
      logger: silentLogger,
    });
    client = new Client({ discovery: fixedTargets(app.address) });
  });
  afterAll(async () => {
    await client?.close();
    await app?.stop();
    await service?.close({ graceMs: 0 });
    await registry?.close();
  });

  /** What a plain gRPC client sees of a unary call. */
  const plain = (text: string, options: { metadata?: grpc.Metadata; call?: grpc.CallOptions } = {}) => {
    const other = new grpc.Client(app.address, grpc.credentials.createInsecure());
    const { input, output } = Echo.methods[0] ?? {};
    return new Promise<{ error?: grpc.ServiceError; text?: string; headers?: grpc.Metadata; trailers?: grpc.Metadata }>(
      (resolve) => {
        const seen: { headers?: grpc.Metadata; trailers?: grpc.Metadata } = {};
        let answer: { error?: grpc.ServiceError; text?: string } = {};
        const call = other.makeUnaryRequest(
          '/echo.Echo/Say',
          (value: Text) => Buffer.from(input?.encode(value) ?? []),
          (bytes) => output?.decode(bytes) as Text,
          { text },
          options.metadata ?? new grpc.Metadata(),
          options.call ?? {},
          (error, value) => (answer = error ? { error } : { text: value?.text }),
        );
        call.on('metadata', (headers) => (seen.headers = headers));
        call.on('status', ({ metadata }) => {
          seen.trailers = metadata;
          setImmediate(() => resolve({ ...answer, ...seen }));
          other.close();
        });
      },
    );
  };

  it('passes on a unary gRPC call with metadata, bytes, deadline and trailers', async () => {
    const metadata = new grpc.Metadata();
    metadata.set('x-sent', 'hello');
    metadata.set('x-bytes-bin', Buffer.from([0, 255, 1]));
    const { text, headers, trailers } = await plain('Hi', { metadata, call: { deadline: Date.now() + 4_000 } });
    expect(text).toBe('Hi with deadline');
    expect(headers?.get('x-seen')).toEqual(['hello']);
    expect(headers?.get('x-bytes-bin')).toEqual([Buffer.from([0, 255, 1])]);
    expect(trailers?.get('x-after')).toEqual(['done']);
  });

  it('passes on errors with code, message, id, details and metadata', async () => {
    const { error } = await plain('fail');
    expect(error).toMatchObject({ code: grpc.status.ABORTED, details: 'try “again”' });
    expect(error?.metadata.get('micro-error-id')).toEqual(['echo']);
    expect(error?.metadata.get('x-hint')).toEqual(['later']);
    expect((error?.metadata.get('grpc-status-details-bin')[0] as Buffer).includes('echo.Text')).toBe(true);
  });

  it('cancels the call behind it when the caller cancels or runs out of time', async () => {
    const before = canceled;
    const { error } = await plain('wait', { call: { deadline: Date.now() + 200 } });
    expect(error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    await until('the handler was told', () => canceled === before + 1);
    const abort = new AbortController();
    const waiting = client.of(Echo).say({ text: 'wait' }, { signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    await expect(waiting).rejects.toMatchObject({ code: 'canceled' });
    await until('the handler was told again', () => canceled === before + 2);
  });

  it('passes on streams of all three kinds', async () => {
    const echo = client.of(Echo);
    const texts = async (stream: AsyncIterable<Text>) => {
      const all: string[] = [];
      for await (const { text } of stream) all.push(text);
      return all;
    };
    expect(await texts(echo.repeat({ text: 'a' }))).toEqual(['a0', 'a1', 'a2']);
    expect(await echo.join([{ text: 'a' }, { text: 'b' }])).toEqual({ text: 'ab' });
    expect(await texts(echo.chat([{ text: 'a' }, { text: 'b' }]))).toEqual(['A', 'B']);
    await expect(texts(echo.chat([{ text: 'a' }, { text: 'fail' }]))).rejects.toMatchObject({
      code: 'out_of_range',
      detail: 'no further',
      id: 'echo',
    });
  });

  it('passes on Connect calls over HTTP/1.1 as they are, in JSON and binary', async () => {
    const headers = { 'x-sent': 'hello', 'content-type': 'application/json' };
    const answer = await fetch(`http://${app.address}/echo.Echo/Say`, {
      method: 'POST',
      headers,
      body: '{"text":"Hi"}',
    });
    expect(await answer.json()).toEqual({ text: 'Hi with deadline' });
    expect(answer.headers.get('x-seen')).toBe('hello');
    expect(answer.headers.get('trailer-x-after')).toBe('done');
    let trailers = new Metadata();
    expect(await client.of(Echo).say({ text: 'Hi' }, { onTrailers: (seen) => (trailers = seen) })).toEqual({
      text: 'Hi with deadline',
    });
    expect(trailers.get('x-after')).toBe('done');
  });

  it('leads callers of other namespaces to the platform’s own services, and to nothing that users run in micro', async () => {
    const status = async (namespace: string) => {
      const headers = { 'content-type': 'application/json', 'micro-namespace': namespace };
      return (await fetch(`http://${app.address}/echo.Echo/Say`, { method: 'POST', headers, body: '{"text":"Hi"}' }))
        .status;
    };
    const [echo] = await registry.get('echo');
    if (!echo) throw new Error('echo is not registered');
    const register = (metadata: Record<string, string>) =>
      registry.register({
        ...echo,
        nodes: echo.nodes.map((node) => ({ ...node, metadata: { ...node.metadata, ...metadata } })),
      });
    expect([await status('micro'), await status('other')]).toEqual([200, 404]);
    await register({ shared: 'true' });
    await until('it serves every namespace', async () => (await status('other')) === 200);
    await register({ shared: '' });
    await until('it does not any more', async () => (await status('other')) === 404);
  });

  it.each([
    ['/echo.Echo/Missing', 501, 'unimplemented'],
    ['/nobody.Nobody/Call', 404, 'not_found'],
    ['/echo.Echo/Chat', 415, 'unimplemented'],
  ])('answers %s with %i', async (path, status, code) => {
    const answer = await fetch(`http://${app.address}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code, message: expect.stringContaining(path) });
    expect(answer.headers.get('micro-error-id')).toBe('proxy');
  });

  it.each([
    [{ method: 'GET' }, 405],
    [{ method: 'POST', headers: { 'content-type': 'text/xml' }, body: '<a/>' }, 415],
    [
      { method: 'POST', headers: { 'content-type': 'application/json', 'connect-timeout-ms': 'soon' }, body: '{}' },
      400,
    ],
  ])('refuses %j with %i', async (init, status) => {
    const answer = await fetch(`http://${app.address}/echo.Echo/Say`, init);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code: expect.any(String), message: expect.any(String) });
  });
});
