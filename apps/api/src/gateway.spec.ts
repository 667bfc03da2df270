import { connect } from 'node:net';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { described, everything, everythingHandlers, get, raw, type Rig, schema, startRig } from './gateway.rig.js';

let rig: Rig;
const seen: { canceled?: boolean } = {};

beforeAll(async () => {
  rig = await startRig({ MICRO_VERSION: '1.2.3' });
  await rig.serve(everything, everythingHandlers(seen));
});
afterAll(() => rig[Symbol.asyncDispose]());

const json = { 'content-type': 'application/json' };
const post = (path: string, body: string | Buffer, headers: Record<string, string> = json) =>
  rig.fetch(path, { method: 'POST', headers, body });
const jsonOf = async (answer: Response | Promise<Response>) => (await answer).json() as Promise<unknown>;

describe('what the gateway says of itself', () => {
  it('is its version and status, its health and its metrics', async () => {
    expect(await jsonOf(rig.fetch('/'))).toEqual({ name: 'api', version: '1.2.3', status: 'ok' });
    expect(await jsonOf(rig.fetch('/?x=1'))).toMatchObject({ status: 'ok' });
    expect(await jsonOf(rig.fetch('/healthz'))).toEqual({ status: 'ok' });
    expect(await jsonOf(rig.fetch('/readyz'))).toEqual({ status: 'ready' });
    await post('/everything/call', '{}');
    await post('/everything/fail', '{"code":"not_found"}');
    const metrics = await until('the calls are counted', async () => {
      const text = await (await rig.fetch('/metrics')).text();
      return text.includes('code="not_found"') && text;
    });
    expect(metrics).toMatch(
      /micro_rpc_server_duration_seconds_count\{method="\/everything.Everything\/Call",code="ok"\} \d/,
    );
    expect(metrics).toMatch(
      /micro_rpc_server_duration_seconds_count\{method="\/everything.Everything\/Fail",code="not_found"\} \d/,
    );
    const refused = await rig.fetch('/healthz', { method: 'POST' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET']);
  });
});

describe('calls', () => {
  it('take JSON and answer JSON, with a trace to look up', async () => {
    const answer = await post('/everything/call', '{"name":"Alice","big":"9007199254740993","mood":"GLAD"}');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('micro-trace-id')).toMatch(/^[0-9a-f]{32}$/);
    expect(await answer.json()).toEqual({ name: 'Alice', big: '9007199254740993', mood: 'GLAD' });
  });

  it('take what curl -d sends, and no body at all', async () => {
    expect(
      await jsonOf(
        post('/everything/call', '{"name":"Alice"}', { 'content-type': 'application/x-www-form-urlencoded' }),
      ),
    ).toEqual({ name: 'Alice' });
    expect(await jsonOf(rig.fetch('/everything/call', { method: 'POST' }))).toEqual({});
    expect(await jsonOf(rig.fetch('/everything'))).toEqual({});
  });

  it('merge query and body, the body winning, typed by the schema', async () => {
    expect(
      await jsonOf(
        rig.fetch(
          '/everything/call?name=Al&big=12&flag=true&mood=1&tags=a&tags=b&inner.first_name=x&inner[age]=3&at=2026-01-31T12:00:00Z&real=1.5&data=AQID',
        ),
      ),
    ).toEqual({
      name: 'Al',
      big: '12',
      flag: true,
      mood: 'GLAD',
      tags: ['a', 'b'],
      inner: { firstName: 'x', age: 3 },
      at: '2026-01-31T12:00:00Z',
      real: 1.5,
      data: 'AQID',
    });
    expect(
      await jsonOf(post('/everything/call?name=query&inner.age=3', '{"name":"body","inner":{"firstName":"x"}}')),
    ).toEqual({ name: 'body', inner: { firstName: 'x', age: 3 } });
    expect(await jsonOf(rig.fetch('/everything/call?flag=maybe'))).toMatchObject({
      code: 'invalid_argument',
      detail: expect.stringContaining('"flag"'),
    });
  });

  it('take forms of both kinds', async () => {
    expect(
      await jsonOf(
        rig.fetch('/everything/call', { method: 'POST', body: new URLSearchParams({ name: 'Al', 'inner.age': '3' }) }),
      ),
    ).toEqual({ name: 'Al', inner: { age: 3 } });
    const form = new FormData();
    form.append('name', 'Al');
    form.append('flag', 'on');
    expect(await jsonOf(rig.fetch('/everything/call', { method: 'POST', body: form }))).toEqual({
      name: 'Al',
      flag: true,
    });
  });

  it('take and give protobuf', async () => {
    const codec = schema.message('everything.Thing');
    const bytes = Buffer.from(codec.encode({ name: 'Alice' }));
    const binary = await post('/everything/call', bytes, { 'content-type': 'application/protobuf' });
    expect(binary.headers.get('content-type')).toBe('application/protobuf');
    expect(codec.decode(new Uint8Array(await binary.arrayBuffer()))).toMatchObject({ name: 'Alice' });
    const asked = await post('/everything/call', '{"name":"Bob"}', { ...json, accept: 'application/x-protobuf' });
    expect(asked.headers.get('content-type')).toBe('application/x-protobuf');
    expect(codec.decode(new Uint8Array(await asked.arrayBuffer()))).toMatchObject({ name: 'Bob' });
    expect(
      await jsonOf(
        post('/everything/call?flag=1', bytes, { 'content-type': 'application/protobuf', accept: 'application/json' }),
      ),
    ).toEqual({ name: 'Alice', flag: true });
  });

  it('answer 204 where there is nothing to answer', async () => {
    const answer = await post('/everything/nothing', '{}');
    expect([answer.status, await answer.text(), answer.headers.get('content-type')]).toEqual([204, '', null]);
    const binary = await post('/everything/call', Buffer.alloc(0), { 'content-type': 'application/proto' });
    expect(binary.status).toBe(204);
  });

  it('carry headers both ways, but not those of the hop or of the platform', async () => {
    const answer = await post('/everything/metadata', '{}', {
      ...json,
      authorization: 'Bearer x',
      'x-user': 'u',
      'micro-from-service': 'auth',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'x-utf8': Buffer.from('é').toString('latin1'),
    });
    const { metadata } = (await answer.json()) as { metadata: Record<string, string> };
    expect(metadata).toMatchObject({
      authorization: 'Bearer x',
      'x-user': 'u',
      'micro-from-service': 'api',
      'micro-namespace': 'micro',
      'x-forwarded-for': expect.stringContaining('127.0.0.1'),
    });
    expect(metadata['traceparent']).toMatch(
      /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/,
    );
    expect(Object.keys(metadata)).not.toContain('content-length');
    expect(answer.headers.get('micro-trace-id')).toBe('0af7651916cd43dd8448eb211c80319c');
    expect([answer.headers.get('x-header'), answer.headers.get('x-trailer')]).toEqual(['h', 't']);
  });

  it('may be pipelined: answers come in the order of the requests', async () => {
    const one = (index: number, last: boolean) => {
      const body = JSON.stringify({ name: `n${index}` });
      return `POST /everything/call HTTP/1.1\r\nhost: localhost\r\n${last ? 'connection: close\r\n' : ''}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    };
    const answers = await raw(rig.address, Array.from({ length: 50 }, (_, index) => one(index, index === 49)).join(''));
    expect([...answers.matchAll(/\{"name":"n(\d+)"\}/g)].map(([, index]) => Number(index))).toEqual(
      Array.from({ length: 50 }, (_, index) => index),
    );
  });

  it('go by POST /rpc as well', async () => {
    const rpc = (body: unknown) => post('/rpc', JSON.stringify(body));
    expect(await jsonOf(rpc({ service: 'everything', endpoint: 'Everything.Call', request: { name: 'Al' } }))).toEqual({
      name: 'Al',
    });
    expect(await jsonOf(rpc({ service: 'everything', endpoint: 'Everything.Call' }))).toEqual({});
    const form = new URLSearchParams({ service: 'everything', endpoint: 'Everything.Call', request: '{"name":"Al"}' });
    expect(await jsonOf(rig.fetch('/rpc', { method: 'POST', body: form }))).toEqual({ name: 'Al' });
    expect(await jsonOf(rpc({ service: 'everything' }))).toMatchObject({
      code: 'invalid_argument',
      detail: expect.stringContaining('"endpoint"'),
    });
    expect(await jsonOf(rpc({ service: 'everything', endpoint: 'Everything.Cal' }))).toMatchObject({
      code: 'not_found',
      detail: expect.stringContaining('did you mean Everything.Call'),
    });
    expect((await rig.fetch('/rpc')).status).toBe(405);
  });
});

describe('streams', () => {
  it('come as lines of JSON, or as events', async () => {
    const answer = await rig.fetch('/everything/stream?ms=2');
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    expect(await answer.text()).toBe('{"name":"0"}\n{"name":"1"}\n');
    const events = await post('/everything/stream', '{"ms":2}', { ...json, accept: 'text/event-stream' });
    expect(events.headers.get('content-type')).toBe('text/event-stream');
    expect(await events.text()).toBe('data: {"name":"0"}\n\ndata: {"name":"1"}\n\n');
    expect(await (await rig.fetch('/everything/stream?ms=0')).text()).toBe('');
  });

  it('fail as any call before the first message, and with a last line after it', async () => {
    const refused = await rig.fetch('/everything/stream?ms=-1');
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { id: 'everything.rule', code: 'failed_precondition', detail: 'no stream today', status: 400 },
    ]);
    const lines = (await (await rig.fetch('/everything/stream?ms=7')).text()).trimEnd().split('\n');
    expect(lines).toHaveLength(8);
    expect(JSON.parse(lines[7] as string)).toEqual({
      error: { id: 'everything.rule', code: 'aborted', detail: 'seven is enough', status: 409 },
    });
    expect(
      await (await post('/everything/stream', '{"ms":7}', { ...json, accept: 'text/event-stream' })).text(),
    ).toMatch(/event: error\ndata: \{"id":"everything.rule"[^\n]*\n\n$/);
  });

  it('end when the caller goes away, or with the deadline it set', async () => {
    seen.canceled = false;
    const controller = new AbortController();
    const answer = await rig.fetch('/everything/stream?ms=9', { signal: controller.signal });
    await answer.body?.getReader().read();
    controller.abort();
    await until('the service sees it canceled', () => seen.canceled === true);
    const timed = await (await rig.fetch('/everything/stream?ms=9', { headers: { timeout: '200ms' } })).text();
    expect(JSON.parse(timed.trimEnd().split('\n').at(-1) as string)).toMatchObject({
      error: { code: 'deadline_exceeded' },
    });
  });

  it('of requests are refused, saying where they go', async () => {
    const answer = await post('/everything/collect', '{}');
    expect([answer.status, await answer.json()]).toEqual([
      501,
      expect.objectContaining({ code: 'unimplemented', detail: expect.stringContaining('proxy') }),
    ]);
  });
});

describe('declared routes', () => {
  it('bind path variables, body and response', async () => {
    expect(await jsonOf(rig.fetch('/v1/things/7?flag=true'))).toEqual({ thing: { name: 'things/7', flag: true } });
    expect(await jsonOf(post('/v1/things?name=q', '{"firstName":"Al"}'))).toEqual({
      thing: { name: 'q', inner: { firstName: 'Al' } },
    });
    expect(
      await jsonOf(rig.fetch('/v1/things/7:touch', { method: 'PUT', headers: json, body: '{"flag":true}' })),
    ).toEqual({ name: 'things/7', flag: true });
    expect(await jsonOf(rig.fetch('/v1/things/7/names'))).toEqual([]);
  });

  it('answer 405 with what is allowed, and HEAD without a body', async () => {
    const answer = await rig.fetch('/v1/things/7', { method: 'DELETE' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET']);
    const head = await rig.fetch('/v1/things/7', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const call = await rig.fetch('/everything/call', { method: 'HEAD' });
    expect([call.status, call.headers.get('allow')]).toEqual([405, 'GET, POST, PUT, PATCH, DELETE']);
  });
});

describe('errors', () => {
  it('of a service keep id, code, detail and status', async () => {
    const answer = await post('/everything/fail', '{"code":"not_found","detail":"no such greeting"}');
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(await answer.json()).toEqual({
      id: 'everything.rule',
      code: 'not_found',
      detail: 'no such greeting',
      status: 404,
    });
  });

  it('nobody meant to show are told by their trace alone', async () => {
    const answer = await post('/everything/fail', '{"code":"exception","detail":"hunter2"}');
    const error = (await answer.json()) as { detail: string };
    expect(error).toMatchObject({ code: 'internal', status: 500 });
    expect(error.detail).toContain(answer.headers.get('micro-trace-id'));
    expect(error.detail).not.toContain('hunter2');
  });

  it('for unknown services and endpoints are 404 and name what is near', async () => {
    const answer = await post('/everythin/call', '{}');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/json']);
    expect(await answer.json()).toEqual({
      id: 'api',
      code: 'not_found',
      status: 404,
      detail: 'service "everythin" is not registered in namespace "micro"; did you mean everything?',
    });
    expect(await jsonOf(post('/everything/cal', '{}'))).toMatchObject({
      detail: expect.stringContaining('did you mean Everything.Call (/everything/call)'),
    });
  });
});

describe('services of another kind', () => {
  it('that only serve HTTP have no endpoints', async () => {
    await until('the gateway itself is registered', async () => {
      const answer = await rig.fetch('/api/call');
      expect(await answer.json()).toEqual({
        id: 'api',
        code: 'not_found',
        detail: 'service "api" has no endpoint "Api.Call"',
        status: 404,
      });
      return true;
    });
  });

  it('that claim to speak Connect and do not are a bad gateway', async () => {
    const liar = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'));
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(liar.address() as AddressInfo).port}`;
    await rig.registry.register(described(everything, { name: 'liar', address }));
    const answer = await until('it is found', async () => {
      const found = await post('/liar/everything/call', '{}');
      return found.status !== 404 && found;
    });
    expect([answer.status, await answer.json()]).toEqual([
      502,
      expect.objectContaining({ code: 'unavailable', detail: expect.stringContaining('"liar"') }),
    ]);
    liar.close();
    liar.closeAllConnections();
  });
});

describe('deadlines', () => {
  it('are those of the caller', async () => {
    const answer = await post('/everything/slow', '{"ms":20000}', { ...json, 'connect-timeout-ms': '100' });
    expect(answer.status).toBe(504);
    expect(await answer.json()).toMatchObject({ code: 'deadline_exceeded' });
    expect(await jsonOf(post('/everything/slow', '{"ms":20000}', { ...json, timeout: '100ms' }))).toMatchObject({
      code: 'deadline_exceeded',
    });
    expect(await jsonOf(post('/everything/slow', '{}', { ...json, timeout: 'soon' }))).toMatchObject({
      code: 'invalid_argument',
    });
  });

  it('end when the caller goes away', async () => {
    seen.canceled = false;
    const controller = new AbortController();
    const going = rig
      .fetch('/everything/slow', { method: 'POST', headers: json, body: '{"ms":60000}', signal: controller.signal })
      .catch(() => undefined);
    await until('the call is under way', () => rig.app.platform.metrics.inFlight('client') > 0);
    controller.abort();
    await going;
    await until('the service sees it canceled', () => seen.canceled === true);
  });

  const body = '{"ms":60000}';
  const head = 'POST /everything/slow HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
  it.each([
    {
      what: 'is plain, and waits for its turn',
      one: `${head}content-length: ${body.length}\r\n\r\n${body}`,
      underWay: 1,
    },
    {
      what: 'is not, and does not',
      one: `${head}transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      underWay: 5,
    },
  ])(
    'end as well for what came behind another request on a connection that is lost, whether it $what',
    async ({ one, underWay }) => {
      const [host, port] = rig.address.split(':') as [string, string];
      const socket = connect(Number(port), host);
      socket.write(one.repeat(5));
      await until('they are under way', () => rig.app.platform.metrics.inFlight('server') === underWay);
      socket.destroy();
      await until(
        'none is',
        () => rig.app.platform.metrics.inFlight('server') + rig.app.platform.metrics.inFlight('client') === 0,
      );
    },
  );
});

describe('namespaces', () => {
  it('come by header, then by host, then by default', async () => {
    await rig.serve(everything, { ...everythingHandlers(), call: () => ({ name: 'of foo' }) }, { namespace: 'foo' });
    expect(await jsonOf(post('/everything/call', '{}', { ...json, 'micro-namespace': 'foo' }))).toEqual({
      name: 'of foo',
    });
    expect((await get(rig.address, '/everything/call', { host: 'foo.example.com' })).json).toEqual({ name: 'of foo' });
    expect(
      (await get(rig.address, '/everything/call', { host: 'foo.example.com', 'micro-namespace': 'micro' })).json,
    ).toEqual({});
    expect((await get(rig.address, '/everything/call', { host: 'bar.example.com' })).json).toMatchObject({
      code: 'not_found',
      detail: expect.stringContaining('namespace "bar"'),
    });
    expect((await get(rig.address, '/everything/call', { host: 'api.example.com' })).json).toEqual({});
    expect((await get(rig.address, '/everything/call', { 'micro-namespace': '../x' })).json).toMatchObject({
      code: 'invalid_argument',
    });
  });
});

describe('CORS', () => {
  it('echoes the origin, with credentials, on answers and errors', async () => {
    for (const path of ['/everything/call', '/nothing/there']) {
      const { headers } = await get(rig.address, path, { origin: 'https://app.example.com' });
      expect(headers).toMatchObject({
        'access-control-allow-origin': 'https://app.example.com',
        'access-control-allow-credentials': 'true',
        vary: 'Origin',
      });
    }
    expect((await get(rig.address, '/everything/call')).headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('answers a preflight', async () => {
    const answer = await rig.fetch('/everything/call', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://x.example',
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'authorization, x-user',
      },
    });
    expect(answer.status).toBe(204);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': 'https://x.example',
      'access-control-allow-methods': expect.stringContaining('PUT'),
      'access-control-allow-headers': 'authorization, x-user',
      'access-control-max-age': '7200',
    });
    expect((await rig.fetch('/everything/call', { method: 'OPTIONS' })).headers.get('allow')).toContain('POST');
  });
});
