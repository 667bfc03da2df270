import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { described, everything, everythingHandlers, get, type Rig, startRig } from './gateway.rig.js';

let rig: Rig;
let node: Server;
let answer: RequestListener;

/** A node of another make, which answers what it likes, beside one of ours. */
beforeAll(async () => {
  node = createServer((request, response) => request.resume().on('end', () => answer(request, response)));
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve));
  rig = await startRig();
  await rig.serve(everything, everythingHandlers());
  await rig.registry.register(
    described(everything, {
      name: 'foreign',
      address: `127.0.0.1:${(node.address() as AddressInfo).port}`,
      protocol: 'connect',
    }),
  );
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  node.closeAllConnections();
  await new Promise((resolve) => node.close(resolve));
});

const call = (query = '') =>
  rig.fetch(`/foreign/everything/call${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });

it.each([
  { what: 'HTML', status: 404, headers: ['content-type', 'text/html'], expected: [404, 'not_found'] },
  { what: 'a redirect', status: 302, headers: ['location', '/x'], expected: [500, 'unknown'] },
  {
    what: 'HTML as if it were fine',
    status: 200,
    headers: ['content-type', 'text/html'],
    expected: [502, 'unavailable'],
  },
  {
    what: 'what nobody asked to be compressed',
    status: 200,
    headers: ['content-type', 'application/json', 'content-encoding', 'gzip'],
    expected: [502, 'unavailable'],
  },
])('that answers $what', async ({ status, headers, expected: [expected, code] }) => {
  answer = (_request, response) => void response.writeHead(status, headers).end('<h1>');
  const failed = await call();
  expect([failed.status, await failed.json()]).toEqual([expected, expect.objectContaining({ code, status: expected })]);
});

it('that answers what it did not declare is not blamed on the caller', async () => {
  answer = (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"name":');
  // Passed on unread it is the caller's to read.
  expect((await call()).status).toBe(200);
  answer = (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/proto' }).end('{"name":');
  const read = await rig.fetch('/foreign/everything/call', {
    method: 'POST',
    body: Buffer.from([]),
    headers: { 'content-type': 'application/proto', accept: 'application/json' },
  });
  expect([read.status, await read.json()]).toEqual([502, expect.objectContaining({ id: 'api', status: 502 })]);
});

it('that fails says beside its error what callers are to know', async () => {
  answer = (_request, response) =>
    void response
      .writeHead(503, { 'content-type': 'application/json', 'retry-after': '3', 'x-hint': 'later' })
      .end('{"code":"resource_exhausted","message":"busy"}');
  const failed = await call();
  expect([failed.status, failed.headers.get('retry-after'), failed.headers.get('x-hint')]).toEqual([503, '3', 'later']);
  expect(await failed.json()).toMatchObject({ code: 'resource_exhausted', detail: 'busy' });
});

it('that declares a route for something that is no HTTP method costs nothing but that route', async () => {
  const service = described(everything, { name: 'nasty', address: '127.0.0.1:1' });
  const [first, ...rest] = service.endpoints;
  if (!first) throw new Error('no endpoint');
  await rig.registry.register({
    ...service,
    endpoints: [{ ...first, metadata: { path: '/nasty-path', method: 'G\r\nX: y' } }, ...rest],
  });
  expect(await get(rig.address, '/nasty-path')).toMatchObject({ status: 404 });
  expect((await rig.fetch('/everything/call')).status).toBe(200);
});
