import { connect } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { Platform } from '@micro/platform';
import { type Logger, silentLogger } from '@micro/telemetry';
import { until } from '@micro/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Caller } from './caller.js';
import { EdgeServer } from './edge-server.js';
import { Gateway } from './gateway.js';
import { everything, everythingHandlers, get, raw, type Rig, startRig } from './gateway.rig.js';
import { Router } from './router.js';
import { Settings } from './settings.js';

let rig: Rig;

beforeAll(async () => {
  rig = await startRig({ MICRO_API_BODY_LIMIT: '100000' });
  await rig.serve(everything, everythingHandlers());
});
afterAll(() => rig[Symbol.asyncDispose]());

const call = 'POST /everything/call HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
const post = (body: string | Buffer, type = 'application/json') =>
  rig.fetch('/everything/call', { method: 'POST', headers: { 'content-type': type }, body });

/** The parts of one answer that a test looks at. */
function parse(answer: string): { status: number; error: unknown } {
  expect(answer).toContain('content-type: application/json');
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), error: JSON.parse(body) };
}

async function stillServes(): Promise<void> {
  expect(await (await post('{"name":"Alice"}')).json()).toEqual({ name: 'Alice' });
}

describe('paths', () => {
  it.each([
    ['/..%2f..%2fetc/passwd', 404, 'not_found'],
    ['/../../etc/passwd', 404, 'not_found'],
    ['/%2e%2e/%2e%2e/etc/passwd', 404, 'not_found'],
    ['/everything/call%00', 400, 'invalid_argument'],
    ['/everything/%ff', 400, 'invalid_argument'],
    ['/%', 400, 'invalid_argument'],
    ['/__proto__/constructor', 404, 'not_found'],
    ['/everything/__proto__', 404, 'not_found'],
    ['/constructor', 404, 'not_found'],
    [`/${'a'.repeat(7_000)}/call`, 404, 'not_found'],
    [`/${'a'.repeat(10_000)}`, 414, 'invalid_argument'],
    [`/${'a/'.repeat(4_000)}`, 400, 'invalid_argument'],
    [`/everything/call?name=${'a'.repeat(10_000)}`, 414, 'invalid_argument'],
    ['/everything/call?__proto__[x]=1', 400, 'invalid_argument'],
    [`/everything/call?${'a=1&'.repeat(1_100)}`, 400, 'invalid_argument'],
  ])('case %#', async (target, status, code) => {
    const answer = await get(rig.address, target);
    expect([answer.status, answer.json]).toEqual([status, expect.objectContaining({ status, code })]);
    expect(JSON.stringify(answer.json).length).toBeLessThan(600);
  });

  it('of any kind get an answer, and the gateway goes on', async () => {
    const piece = fc.constantFrom(
      '/',
      '..',
      '.',
      '%2e',
      '%2F',
      '%00',
      '%',
      'everything',
      'call',
      'v1',
      ':',
      '?',
      '&',
      '=',
      '[',
      ']',
      '__proto__',
      '{x}',
      '*',
      '**',
      '%c3%a9',
      '\u00ff',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const { status, json } = await get(rig.address, `/${pieces.join('')}`);
        expect([200, 400, 404, 405]).toContain(status);
        if (status !== 200) expect(json).toMatchObject({ status, detail: expect.any(String) });
      }),
      { numRuns: 60 },
    );
    await stillServes();
  });
});

describe('bodies', () => {
  it.each([
    ['{"name":}', 'application/json', 400, 'line 1, column 9'],
    ['[1]', 'application/json', 400, ''],
    ['"x"', 'application/json', 400, ''],
    ['{"name":1}', 'application/json', 400, 'name'],
    ['\xff\xfe', 'application/json', 400, ''],
    ['{"__proto__":{"x":1},"constructor":{"prototype":{"y":1}},"name":"Al"}', 'application/json', 200, ''],
    ['['.repeat(50_000), 'application/json', 400, ''],
    ['{"inner":'.repeat(5_000) + '1' + '}'.repeat(5_000), 'application/json', 400, ''],
    ['\x0a\xff\xff\xff\xff\xff', 'application/protobuf', 400, ''],
    ['<xml/>', 'application/xml', 415, 'application/json'],
    ['name=%zz&__proto__.x=1', 'application/x-www-form-urlencoded', 400, '__proto__'],
    ['--x', 'multipart/form-data; boundary=x', 400, 'multipart'],
  ])('case %#', async (body, type, status, detail) => {
    const answer = await post(Buffer.from(body, 'latin1'), type);
    const json = (await answer.json()) as { status: number; detail: string };
    expect(answer.status).toBe(status);
    if (status !== 200) expect(json).toMatchObject({ status, detail: expect.stringContaining(detail) });
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('that nest deeply are refused where they are merged', async () => {
    const deep = '{"inner":'.repeat(5_000) + '1' + '}'.repeat(5_000);
    const answer = await rig.fetch('/everything/call?name=x', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: deep,
    });
    expect(answer.status).toBe(400);
  });

  it('over the limit are 413, announced or not', async () => {
    const big = 'x'.repeat(100_001);
    expect(await (await post(big)).json()).toMatchObject({
      status: 413,
      code: 'resource_exhausted',
      detail: expect.stringContaining('100000'),
    });
    const announced = parse(
      await raw(rig.address, `${call}connection: close\r\nexpect: 100-continue\r\ncontent-length: 100001\r\n\r\n`),
    );
    expect(announced.status).toBe(413);
    const chunked = parse(
      await raw(
        rig.address,
        `${call}connection: close\r\ntransfer-encoding: chunked\r\n\r\n`,
        ...Array.from({ length: 11 }, () => `2710\r\n${'x'.repeat(10_000)}\r\n`),
        '0\r\n\r\n',
      ),
    );
    expect(chunked).toMatchObject({ status: 413, error: { code: 'resource_exhausted' } });
    expect((await post(JSON.stringify({ name: 'x'.repeat(99_900) }))).status).toBe(200);
  });

  it('are read as they were before their content-encoding, up to the limit', async () => {
    const encoded = async (encoding: string, body: Buffer) => {
      const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
      const answer = await rig.fetch('/everything/call', { method: 'POST', headers, body });
      return [answer.status, await answer.json()];
    };
    const plain = Buffer.from('{"name":"Alice"}');
    for (const [encoding, body] of [
      ['gzip', gzipSync(plain)],
      ['br', brotliCompressSync(plain)],
      ['deflate', deflateSync(plain)],
      ['identity', plain],
    ] as const) {
      expect(await encoded(encoding, body)).toEqual([200, { name: 'Alice' }]);
    }
    expect(await encoded('snappy', plain)).toEqual([
      415,
      expect.objectContaining({ code: 'invalid_argument', detail: expect.stringContaining('gzip') }),
    ]);
    expect(await encoded('gzip', plain)).toEqual([400, expect.objectContaining({ code: 'invalid_argument' })]);
    expect(await encoded('gzip', gzipSync(Buffer.alloc(10_000_000)))).toEqual([
      413,
      expect.objectContaining({ code: 'resource_exhausted' }),
    ]);
  });

  it.each(['/everything/call', '/everything/call?flag=true', '/rpc'])(
    'mean to %s what they mean to a service: exact integers, and no key twice',
    async (path) => {
      const to = async (message: string) => {
        const body =
          path === '/rpc' ? `{"service":"everything","endpoint":"Everything.Call","request":${message}}` : message;
        const answer = await rig.fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
        return (await answer.json()) as unknown;
      };
      expect(await to('{"big":9007199254740993}')).toMatchObject({ big: '9007199254740993' });
      expect(await to('{"name":"a","name":"b"}')).toMatchObject({
        status: 400,
        code: 'invalid_argument',
        detail: expect.stringContaining('twice'),
      });
    },
  );

  it('that were waited for with 100-continue are read', async () => {
    const answer = await raw(
      rig.address,
      `${call}connection: close\r\nexpect: 100-continue\r\ncontent-length: 15\r\n\r\n`,
      '{"name":"Alice"',
    );
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 400/);
  });
});

describe('what is not HTTP/1.1', () => {
  it.each([
    ['garbage\r\n\r\n', 400, 'invalid_argument', 'HTTP/1.1'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'invalid_argument', 'proxy'],
    [`GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`, 431, 'resource_exhausted', 'headers'],
    [
      `GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${'x: y\r\n'.repeat(10_000)}\r\n`,
      431,
      'resource_exhausted',
      'headers',
    ],
    [`${call}content-length: 5\r\ncontent-length: 6\r\n\r\n`, 400, 'invalid_argument', ''],
    [`${call}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`, 400, 'invalid_argument', ''],
    [`${call}content-length: -5\r\n\r\n`, 400, 'invalid_argument', ''],
    [`${call}host: example.com\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`, 400, 'invalid_argument', 'Host'],
    ['GET /a b HTTP/1.1\r\n\r\n', 400, 'invalid_argument', ''],
    ['CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n', 405, 'unimplemented', 'tunnel'],
    [`${call}expect: magic\r\n\r\n`, 417, 'invalid_argument', '100-continue'],
  ])('case %#', async (bytes, status, code, detail) => {
    const answer = parse(await raw(rig.address, bytes));
    expect(answer).toEqual({
      status,
      error: expect.objectContaining({ status, code, detail: expect.stringContaining(detail) }),
    });
  });

  it('is refused even after 10 MB of it', async () => {
    const answer = await raw(
      rig.address,
      'GET / HTTP/1.1\r\n',
      ...Array.from({ length: 100 }, (_, index) => `x${index}: ${'x'.repeat(100_000)}\r\n`),
    ).catch((error: NodeJS.ErrnoException) => error.code);
    if (answer === 'ECONNRESET' || answer === 'EPIPE') return;
    expect(parse(answer as string).status).toBe(431);
  });

  it('leaves the gateway standing', stillServes);

  it('takes a target in absolute form, as proxies send it', async () => {
    const answer = await raw(
      rig.address,
      'GET http://localhost/everything/call?name=Al HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(
      parse(await raw(rig.address, 'GET ftp://x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')),
    ).toMatchObject({ status: 400 });
  });
});

describe('limits', () => {
  /** The services of the rig behind a gateway with other limits; `lines` gets what it logs as warnings. */
  async function limited(
    change: Partial<Settings>,
    lines: string[] = [],
  ): Promise<{ readonly address: string } & AsyncDisposable> {
    const { app, platform } = rig.app;
    const settings = { ...app.get(Settings), ...change };
    const logger: Logger = Object.assign(Object.create(silentLogger), {
      warn: (message: string) => lines.push(message),
    });
    const logging = { metrics: platform.metrics, logger } as unknown as Platform;
    const gateway = new Gateway(app.get(Router), app.get(Caller), settings, logging);
    const server = new EdgeServer(gateway, settings, logging).at({ host: '127.0.0.1', port: 0 });
    const { host, port } = await server.listen();
    server.setServing(true);
    return { address: `${host}:${port}`, [Symbol.asyncDispose]: () => server.close({ graceMs: 0 }) };
  }

  it('on slow senders: 408, once and logged once, for headers and for bodies', async () => {
    const lines: string[] = [];
    await using gateway = await limited({ headersMs: 200, requestMs: 400 }, lines);
    const [headers, body] = await Promise.all([
      raw(gateway.address, 'POST /everything/call HTTP/1.1\r\nhost: loc'),
      raw(gateway.address, `${call}content-length: 100\r\n\r\n{"name":`),
    ]);
    for (const answer of [headers, body])
      expect(parse(answer)).toEqual({
        status: 408,
        error: expect.objectContaining({ code: 'deadline_exceeded', status: 408 }),
      });
    expect(lines).toEqual(['connection refused', 'connection refused']);
  });

  it('on requests at a time: 429 and when to come again', async () => {
    await using gateway = await limited({ concurrentCalls: 2 });
    const slow = Array.from({ length: 2 }, () =>
      fetch(`http://${gateway.address}/everything/slow`, { method: 'POST', body: '{"ms":1000}' }),
    );
    const refused = await until('a third is refused', async () => {
      const answer = await fetch(`http://${gateway.address}/everything/call`);
      return answer.status === 429 && answer;
    });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ code: 'resource_exhausted', status: 429 });
    expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await fetch(`http://${gateway.address}/everything/call`)).status).toBe(200);
  });

  it('do not keep it from stopping in good order', async () => {
    const gateway = await limited({});
    const slow = fetch(`http://${gateway.address}/everything/slow`, { method: 'POST', body: '{"ms":300}' });
    await until('the call is under way', () => rig.app.platform.metrics.inFlight('client') > 0);
    const idle = connect(Number(gateway.address.split(':')[1]), '127.0.0.1');
    await new Promise((resolve) => idle.once('connect', resolve));
    await gateway[Symbol.asyncDispose]();
    await expect(slow).rejects.toThrow();
    await until('idle connections are closed', () => idle.destroyed);
  });

  it('refuses a request without a host', async () => {
    expect(
      await raw(rig.address, 'POST /everything/call HTTP/1.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}'),
    ).toMatch(/^HTTP\/1.1 400 [^]*no Host header/);
    expect(
      await raw(
        rig.address,
        'POST /everything/call HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}',
      ),
    ).toMatch(/^HTTP\/1.1 200 /);
  });
});
