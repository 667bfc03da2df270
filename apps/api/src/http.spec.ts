import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatOf, protoTypeOf, wantedOf } from './content.js';
import { readInbound } from './inbound.js';
import { errorOf, pushMetadata } from './outbound.js';
import { timeoutOf } from './timeout.js';

const limits = { timeout: 5_000, longestTimeout: 60_000 };

describe('timeouts', () => {
  it.each([
    ['', '', 5_000],
    ['2500', '', 2_500],
    ['2500', '9', 2_500],
    ['0', '', 0],
    ['9999999999', '', 60_000],
    ['', '10', 10_000],
    ['', '0.5', 500],
    ['', '500ms', 500],
    ['', '2s', 2_000],
    ['', '5m', 60_000],
  ])('Connect-Timeout-Ms %j, Timeout %j: %d ms', (connectTimeout, timeout, milliseconds) => {
    expect(timeoutOf({ connectTimeout, timeout }, limits)).toBe(milliseconds);
  });

  it.each([
    ['-1', ''],
    ['1.5', ''],
    ['99999999999', ''],
    ['', 'soon'],
    ['', '1h'],
    ['', '1e3'],
    ['', '-1'],
    ['', 'constructor'],
  ])('refuses %j, %j', (connectTimeout, timeout) => {
    expect(() => timeoutOf({ connectTimeout, timeout }, limits)).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
  });
});

describe('content', () => {
  const formatFor = (type: string, body: string) => formatOf(type, Buffer.from(body));

  it.each([
    ['application/json', 'x', 'json'],
    ['Application/JSON; charset="UTF-8"', '{}', 'json'],
    ['application/vnd.api+json', '{}', 'json'],
    ['', '', 'json'],
    ['text/html', '', 'json'],
    ['', ' \r\n{"a":1}', 'json'],
    ['', 'a=1', 'form'],
    ['application/x-www-form-urlencoded', '{"a":1}', 'json'],
    ['application/x-www-form-urlencoded', 'a=1', 'form'],
    ['text/plain;charset=UTF-8', '{}', 'json'],
    ['multipart/form-data; boundary=x', '', 'multipart'],
    ['application/protobuf', '\n', 'proto'],
    ['application/proto', '', 'proto'],
  ])('%j with %j is %s', (type, body, format) => {
    expect(formatFor(type, body)).toBe(format);
  });

  it.each([
    ['text/html', '<'],
    ['text/plain', 'x'],
    ['application/xml', '{}'],
    ['application/json; charset=utf-16', '{}'],
    ['image/png', 'x'],
  ])('refuses %j with 415', (type, body) => {
    expect(() => formatFor(type, body)).toThrow(expect.objectContaining({ status: 415, code: 'invalid_argument' }));
  });

  it.each([
    ['', 'json', 'json'],
    ['', 'proto', 'proto'],
    ['*/*', 'proto', 'proto'],
    ['application/json', 'proto', 'json'],
    ['application/protobuf', 'json', 'proto'],
    ['text/html, application/xhtml+xml, */*;q=0.8', 'form', 'json'],
    ['application/json;q=0.5, application/x-protobuf', 'json', 'proto'],
    ['application/protobuf;q=0', 'json', 'json'],
    ['image/png', 'json', 'json'],
  ] as const)('accept %j after %s gets %s', (accept, format, wanted) => {
    expect(wantedOf(accept, format)).toBe(wanted);
  });

  it('names protobuf as the caller does', () => {
    expect(protoTypeOf('application/x-protobuf;q=1', 'application/json')).toBe('application/x-protobuf');
    expect(protoTypeOf('*/*', 'application/protobuf')).toBe('application/protobuf');
  });

  it('takes any header without falling over', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (type, accept) => {
        try {
          wantedOf(accept, formatFor(type, 'x'));
        } catch (error) {
          expect(error).toMatchObject({ status: 415 });
        }
      }),
    );
  });
});

describe('request headers', () => {
  const read = (rawHeaders: string[]) =>
    readInbound({ rawHeaders, socket: { remoteAddress: '10.0.0.9' } } as unknown as IncomingMessage);

  it('become metadata, but for those of one hop, of HTTP and of the platform', () => {
    const { metadata, ...known } = read([
      'Host',
      'foo.example.com',
      'Content-Type',
      'Application/JSON',
      'Content-Length',
      '12',
      'Authorization',
      'Bearer x',
      'X-User',
      'a',
      'X-User',
      'b',
      'Connection',
      'keep-alive, X-Hop',
      'X-Hop',
      '1',
      'TE',
      'trailers',
      'Micro-From-Service',
      'auth',
      'Micro-Namespace',
      'foo',
      'Micro-Error-Id',
      'x',
      'Transfer-Encoding',
      'chunked',
      'X-Forwarded-For',
      '1.2.3.4',
      'X-Forwarded-Host',
      'spoofed',
      'Cookie',
      'a=b',
      'Origin',
      'https://x',
      'Timeout',
      '3',
    ]);
    expect(metadata).toEqual([
      'authorization',
      'Bearer x',
      'x-user',
      'a',
      'x-user',
      'b',
      'cookie',
      'a=b',
      'origin',
      'https://x',
      'x-forwarded-for',
      '1.2.3.4, 10.0.0.9',
      'x-forwarded-host',
      'foo.example.com',
    ]);
    expect(known).toMatchObject({
      host: 'foo.example.com',
      contentType: 'Application/JSON',
      contentLength: 12,
      namespace: 'foo',
      origin: 'https://x',
      timeout: '3',
      traceparent: undefined,
    });
  });
});

describe('response metadata', () => {
  it('becomes headers, but for those that are not the service’s to give', () => {
    const headers: string[] = [];
    pushMetadata(headers, [
      'x-a',
      '1',
      'trailer-x-b',
      '2',
      'content-length',
      '9',
      'trailer-content-length',
      '9',
      'access-control-allow-origin',
      '*',
      'connection',
      'close',
      'set-cookie',
      'a=b',
      'set-cookie',
      'c=d',
      'micro-error-id',
      'x',
      'trailer-',
      'x',
      'trailer-transfer-encoding',
      'chunked',
      'connect-x',
      'y',
      'grpc-status',
      '0',
    ]);
    expect(headers).toEqual(['x-a', '1', 'x-b', '2', 'set-cookie', 'a=b', 'set-cookie', 'c=d']);
  });
});

describe('errors of a node', () => {
  const errorFrom = (status: number, body: string, ...headers: string[]) =>
    errorOf({ status, headers, body: Buffer.from(body) }, 'greeter').toJSON();

  it('keep id, code, detail and status of our own', () => {
    expect(errorFrom(404, '{"code":"not_found","message":"no greeting"}', 'micro-error-id', 'greet%20er')).toEqual({
      id: 'greet er',
      code: 'not_found',
      detail: 'no greeting',
      status: 404,
    });
    expect(
      errorFrom(500, '{"code":"internal","message":"internal error; trace x"}', 'micro-error-id', 'greeter'),
    ).toMatchObject({ detail: 'internal error; trace x' });
  });

  it('keep what the service says beside them', () => {
    const error = errorOf(
      {
        status: 503,
        headers: [
          'retry-after',
          '3',
          'trailer-x-hint',
          'a',
          'x-hint',
          'b',
          'content-encoding',
          'gzip',
          '__proto__',
          'x',
        ],
        body: Buffer.from('{}'),
      },
      'greeter',
    );
    expect(Object.entries(error.metadata)).toEqual([
      ['retry-after', ['3']],
      ['x-hint', ['a', 'b']],
      ['__proto__', ['x']],
    ]);
  });

  it('of other makes leak no internals', () => {
    expect(errorFrom(500, '{"code":"unknown","message":"password is hunter2"}')).toEqual({
      id: 'greeter',
      code: 'unknown',
      detail: 'internal error',
      status: 500,
    });
    expect(
      errorFrom(500, '{"code":"unknown","message":"password is hunter2"}', 'micro-error-id', 'micro'),
    ).toMatchObject({ id: 'greeter', detail: 'internal error' });
    expect(errorFrom(409, '{"code":"already_exists","message":"it is there"}')).toMatchObject({
      code: 'already_exists',
      detail: 'it is there',
    });
  });

  it('that are not Connect go by their status', () => {
    expect(errorFrom(502, '<html>')).toMatchObject({ code: 'unavailable', status: 502 });
    expect(errorFrom(404, '')).toMatchObject({ code: 'not_found', detail: 'greeter answered 404 without saying why' });
    expect(errorFrom(400, 'null')).toMatchObject({ code: 'invalid_argument' });
    expect(errorFrom(418, '{"code":"toString","message":7}')).toMatchObject({ code: 'invalid_argument' });
  });
});
