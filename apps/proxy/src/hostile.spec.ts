import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import { connect, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { deflateSync } from 'node:zlib';
import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import { endpointsOf, parseSchema } from '@micro/proto';
import { type Endpoint, openRegistry, type Registry, type Service } from '@micro/registry';
import { silentLogger } from '@micro/telemetry';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeFrame } from '@micro/rpc';
import { proxyApp } from './proxy.app.js';

const Echo = parseSchema({
  'echo.proto':
    'syntax = "proto3"; package echo; service Echo { rpc Say(Text) returns (Text); } message Text { string text = 1; }',
}).service('echo.Echo');

/** A node of another make, which answers what it likes, and callers who send what they like. */
describe('the proxy stays up', () => {
  let registry: Registry;
  let app: RunningApp;
  let node: Server;
  let answer: RequestListener;
  let echo: Service;

  beforeAll(async () => {
    node = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve));
    registry = await openRegistry({ adapter: 'memory' });
    const address = `127.0.0.1:${(node.address() as AddressInfo).port}`;
    const endpoints = endpointsOf(Echo) as Endpoint[];
    echo = {
      name: 'echo',
      version: '1',
      metadata: {},
      endpoints,
      nodes: [{ id: 'echo-1', address, metadata: { protocol: 'connect' } }],
    };
    await registry.register(echo);
    app = await startApp(proxyApp, {
      environment: readEnvironment({ MICRO_PROFILE: 'test', MICRO_ADDRESS: '127.0.0.1:0', MICRO_HOME: '/nonexistent' }),
      registry,
      logger: silentLogger,
    });
  });
  beforeEach(async () => {
    await registry.register(echo);
    answer = (request, response) =>
      void request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/proto' }).end());
  });
  afterAll(async () => {
    await app?.stop();
    await registry?.close();
    node?.closeAllConnections();
    await new Promise((resolve) => node?.close(resolve));
  });

  /** One call over HTTP/2: what comes back, headers and trailers together. */
  function call(
    headers: OutgoingHttpHeaders = {},
    body = encodeFrame({ compressed: false, message: Buffer.alloc(0) }),
  ): Promise<IncomingHttpHeaders> {
    const session = connect(`http://${app.address}`);
    return new Promise<IncomingHttpHeaders>((resolve, reject) => {
      let seen: IncomingHttpHeaders = {};
      session.on('error', reject);
      session
        .request({
          ':method': 'POST',
          ':path': '/echo.Echo/Say',
          'content-type': 'application/grpc',
          te: 'trailers',
          ...headers,
        })
        .on('response', (more) => (seen = { ...seen, ...more }))
        .on('trailers', (more) => (seen = { ...seen, ...more }))
        .on('error', reject)
        .on('close', () => resolve(seen))
        .resume()
        .end(body);
    }).finally(() => session.close());
  }

  it('before a message compressed with what it does not know', async () => {
    const compressed = encodeFrame({ compressed: true, message: Buffer.from('x') });
    expect(await call({ 'grpc-encoding': 'snappy' }, compressed)).toMatchObject({
      'grpc-status': '12',
      'grpc-message': expect.stringContaining('gzip'),
    });
    expect(await call({}, compressed)).toMatchObject({ 'grpc-status': '12' });
    expect(await call({ 'grpc-encoding': 'gzip' }, compressed)).toMatchObject({ 'grpc-status': '3' });
    expect(
      await call(
        { 'grpc-encoding': 'deflate' },
        encodeFrame({ compressed: true, message: deflateSync(Buffer.alloc(0)) }),
      ),
    ).toMatchObject({ 'grpc-status': '0' });
  });

  it('before a caller that never sends the end of its request', async () => {
    const session = connect(`http://${app.address}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/echo.Echo/Say',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '100m',
    });
    stream.write(encodeFrame({ compressed: false, message: Buffer.alloc(100) }).subarray(0, 50));
    const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) =>
      stream.on('error', reject).on('response', resolve),
    );
    expect(headers).toMatchObject({ 'grpc-status': '4', 'micro-error-id': 'proxy' });
    session.destroy();
  });

  it('before a caller that takes a call back with an error', async () => {
    const arrived = new Promise<void>((resolve) => {
      answer = (request) => void request.resume().on('end', resolve);
    });
    const session = connect(`http://${app.address}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/echo.Echo/Say',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined).end(encodeFrame({ compressed: false, message: Buffer.alloc(0) }));
    await arrived;
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    await new Promise((resolve) => stream.once('close', resolve));
    await new Promise<void>((resolve) => session.close(resolve));
  });

  it.each([
    ['etag', ['a', 'b']],
    ['upgrade', ['h2c']],
    ['proxy-connection', ['keep-alive']],
    ['http2-settings', ['x']],
    ['te', ['gzip']],
    ['__proto__', ['x']],
    ['trailer-etag', ['a', 'b']],
    ['trailer-connection', ['close']],
    ['trailer-grpc-status', ['5']],
    ['trailer-', ['x']],
    ['x-latin', ['caf\u00e9']],
  ])('before a node that answers the header %s', async (name, values) => {
    answer = (request, response) =>
      void request
        .resume()
        .on('end', () =>
          response
            .writeHead(200, ['content-type', 'application/proto', ...values.flatMap((value) => [name, value])])
            .end(),
        );
    expect(['0', '13']).toContain((await call())['grpc-status']);
    answer = (request, response) =>
      void request
        .resume()
        .on('end', () =>
          response
            .writeHead(503, ['content-type', 'application/json', ...values.flatMap((value) => [name, value])])
            .end('{"code":"aborted"}'),
        );
    expect(['10', '13']).toContain((await call())['grpc-status']);
  });

  it('and passes on no header that concerns one hop, nor a cookie in pieces', async () => {
    let seen: IncomingHttpHeaders = {};
    answer = (request, response) => {
      seen = request.headers;
      request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/proto' }).end());
    };
    expect(await call({ cookie: ['a=1', 'b=2'], 'x-mine': 'yes', 'proxy-authorization': 'secret' })).toMatchObject({
      'grpc-status': '0',
    });
    expect(seen).toMatchObject({ cookie: 'a=1; b=2', 'x-mine': 'yes' });
    expect(seen).not.toHaveProperty('proxy-authorization');
    const [host, port] = app.address.split(':') as [string, string];
    const headers = {
      'content-type': 'application/proto',
      'x-mine': 'yes',
      'x-hop': 'secret',
      connection: 'close, X-Hop',
    };
    await new Promise((resolve, reject) => {
      httpRequest({ host, port, method: 'POST', path: '/echo.Echo/Say', headers }, (response) =>
        response.resume().on('end', resolve),
      )
        .on('error', reject)
        .end();
    });
    expect(seen).toMatchObject({ 'x-mine': 'yes' });
    expect(seen).not.toHaveProperty('x-hop');
  });
});
