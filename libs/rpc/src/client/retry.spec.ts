import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MicroError } from '@micro/errors';
import { freePort } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Client } from './client.js';
import { Echo, echoSchema, Nodes } from './echo.fixture.js';
import type { ClientOptions } from './options.js';

const note = echoSchema.message('echo.Note');

/** A node that does as it is told, and counts. */
interface TestNode extends AsyncDisposable {
  readonly address: string;
  readonly calls: number;
  /** Open connections. */
  connections(): Promise<number>;
}

async function nodeThat(behave: RequestListener): Promise<TestNode> {
  let calls = 0;
  const server = createServer((request, response) => {
    if (request.url === '/healthz') return void response.end();
    calls++;
    request.resume().on('end', () => behave(request, response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get calls() {
      return calls;
    },
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const answers: RequestListener = (_request, response) =>
  response.writeHead(200, { 'content-type': 'application/proto' }).end(note.encode({ text: 'ok' }));
const resets: RequestListener = (request) => request.socket.resetAndDestroy();
const unavailable: RequestListener = (_request, response) =>
  response.writeHead(503, { 'content-type': 'application/json' }).end('{"code":"unavailable","message":"busy"}');
const drains: RequestListener = (_request, response) =>
  response
    .writeHead(503, { 'content-type': 'application/json', 'micro-not-processed': 'true' })
    .end('{"code":"unavailable","message":"stopping"}');

let client: Client | undefined;
afterEach(() => client?.close());

function echoOf(nodes: Nodes, options: Partial<ClientOptions> = {}) {
  client = new Client({ discovery: nodes, ejection: { first: 60_000 }, ...options });
  return client.of(Echo);
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: MicroError) => error.code,
  );
const times = <T>(count: number, call: () => Promise<T>) => Promise.all(Array.from({ length: count }, call));

describe('a call that was not processed', () => {
  it('is tried on another node when the connection is refused, whatever the method', async () => {
    await using good = await nodeThat(answers);
    const dead = `127.0.0.1:${await freePort()}`;
    const echo = echoOf(new Nodes(dead, good.address), { retryBudget: { ratio: 0, perSecond: 0 } });
    await times(20, () => echo.say({}));
    expect(good.calls).toBe(20);
  });

  it('is tried on another node when the node says that it is draining', async () => {
    await using good = await nodeThat(answers);
    await using draining = await nodeThat(drains);
    const echo = echoOf(new Nodes(draining.address, good.address), { retryBudget: { ratio: 0, perSecond: 0 } });
    for (let call = 0; call < 20; call++) await echo.say({});
    expect(good.calls).toBe(20);
    expect(draining.calls, 'it got no calls once it had refused one').toBeLessThanOrEqual(1);
  });

  it('goes through all nodes, and then says where it has been', async () => {
    const dead = await Promise.all(Array.from({ length: 4 }, async () => `127.0.0.1:${await freePort()}`));
    const echo = echoOf(new Nodes(...dead));
    const error: MicroError = await echo.say({}).then(
      () => expect.unreachable(),
      (thrown) => thrown,
    );
    expect(error.code).toBe('unavailable');
    for (const address of dead) expect(error.detail).toContain(address);
  });

  it('is tried again on the only node, which may be starting', async () => {
    const port = await freePort();
    const echo = echoOf(new Nodes(`127.0.0.1:${port}`));
    const call = codeOf(echo.say({}));
    const server = createServer(answers).listen(port, '127.0.0.1');
    await once(server, 'listening');
    expect(await call).toBe('ok');
    server.closeAllConnections();
    server.close();
  });
});

describe('a call that may have been processed', () => {
  it('fails if the method is not idempotent', async () => {
    await using good = await nodeThat(answers);
    await using bad = await nodeThat(resets);
    const echo = echoOf(new Nodes(bad.address, good.address));
    const codes = await times(10, () => codeOf(echo.say({})));
    expect(codes.filter((code) => code === 'unavailable')).toHaveLength(bad.calls);
    expect(bad.calls).toBeGreaterThan(0);
    expect(bad.calls + good.calls).toBe(10);
  });

  it('is tried on another node if it is', async () => {
    await using good = await nodeThat(answers);
    await using bad = await nodeThat(resets);
    const echo = echoOf(new Nodes(bad.address, good.address));
    expect(await times(10, () => codeOf(echo.look({})))).toEqual(Array(10).fill('ok'));
    expect(bad.calls).toBeGreaterThan(0);
  });

  it.each([
    ['look', 1],
    ['say', 0],
  ] as const)('answers unavailable: %s is sent again %i times', async (name, again) => {
    await using bad = await nodeThat(unavailable);
    await using worse = await nodeThat(unavailable);
    const echo = echoOf(new Nodes(bad.address, worse.address), { retryBudget: { ratio: 0, perSecond: 0.1 } });
    expect(await codeOf(echo[name]({}))).toBe('unavailable');
    expect(bad.calls + worse.calls).toBe(1 + again);
  });

  it('does not go through all nodes: it may be what kills them', async () => {
    const nodes = await times(6, () => nodeThat(resets));
    const echo = echoOf(new Nodes(...nodes.map(({ address }) => address)));
    expect(await codeOf(echo.look({}))).toBe('unavailable');
    expect(nodes.reduce((sum, { calls }) => sum + calls, 0)).toBe(3);
    for (const node of nodes) await node[Symbol.asyncDispose]();
  });

  it('is not tried beyond the budget', async () => {
    await using bad = await nodeThat(unavailable);
    await using worse = await nodeThat(unavailable);
    const echo = echoOf(new Nodes(bad.address, worse.address), { retryBudget: { ratio: 0.1, perSecond: 0.5 } });
    await times(100, () => codeOf(echo.look({})));
    expect(bad.calls + worse.calls).toBe(100 + 10 + 5);
  });

  it('is not tried past its deadline', async () => {
    await using bad = await nodeThat(
      (_request, response) => void setTimeout(() => unavailable(_request, response), 40),
    );
    const echo = echoOf(new Nodes(bad.address));
    const begun = performance.now();
    expect(await codeOf(echo.look({}, { timeout: 45 }))).toMatch(/unavailable|deadline_exceeded/);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  it('is not tried again by the only node where that took longer to say no than is left, and says what it said', async () => {
    await using slow = await nodeThat((request, response) => void setTimeout(unavailable, 1_600, request, response));
    const echo = echoOf(new Nodes(slow.address));
    await expect(echo.look({}, { timeout: 3_000 })).rejects.toMatchObject({ code: 'unavailable', detail: 'busy' });
    expect(slow.calls).toBe(1);
  });

  it('says what one node said where another has no time left to answer', async () => {
    let calls = 0;
    const once: Parameters<typeof nodeThat>[0] = (request, response) => {
      if (calls++ === 0) unavailable(request, response);
    };
    await using one = await nodeThat(once);
    await using other = await nodeThat(once);
    const echo = echoOf(new Nodes(one.address, other.address));
    await expect(echo.look({}, { timeout: 400 })).rejects.toMatchObject({ code: 'unavailable', detail: 'busy' });
    expect([one.calls, other.calls]).toEqual([1, 1]);
  });

  it('gives the error of the service when all is said and done', async () => {
    await using bad = await nodeThat(unavailable);
    const echo = echoOf(new Nodes(bad.address));
    await expect(echo.look({})).rejects.toMatchObject({ code: 'unavailable', detail: 'busy' });
    expect(bad.calls).toBe(3);
  });
});

describe('the calls left', () => {
  it('go to the nodes in the same zone while there is one', async () => {
    await using here = await nodeThat(answers);
    await using near = await nodeThat(answers);
    await using far = await nodeThat(answers);
    const nodes = new Nodes(
      { address: far.address, zone: 'b1', region: 'b' },
      { address: near.address, zone: 'a2', region: 'a' },
      { address: here.address, zone: 'a1', region: 'a' },
    );
    const echo = echoOf(nodes, { zone: 'a1', region: 'a' });
    await times(10, () => echo.say({}));
    expect([here.calls, near.calls, far.calls]).toEqual([10, 0, 0]);
    await here[Symbol.asyncDispose]();
    await times(10, () => echo.look({}));
    expect([near.calls, far.calls]).toEqual([10, 0]);
  });

  it('do not go to a node that discovery has lost, whose calls still end', async () => {
    let end = () => undefined as void;
    await using leaving = await nodeThat((request, response) => void (end = () => answers(request, response) as void));
    await using staying = await nodeThat(answers);
    const nodes = new Nodes(leaving.address);
    const echo = echoOf(nodes);
    const pending = echo.say({});
    await expect.poll(() => leaving.calls).toBe(1);
    nodes.set(staying.address);
    await times(5, () => echo.say({}));
    expect([leaving.calls, staying.calls]).toEqual([1, 5]);
    end();
    expect(await pending).toMatchObject({ text: 'ok' });
    await expect.poll(() => leaving.connections()).toBe(0);
  });

  it('are broken off with the client also at a node that discovery has lost', async () => {
    await using leaving = await nodeThat(() => undefined);
    await using staying = await nodeThat(answers);
    const nodes = new Nodes(leaving.address);
    const echo = echoOf(nodes);
    const pending = codeOf(echo.say({}));
    await expect.poll(() => leaving.calls).toBe(1);
    nodes.set(staying.address);
    await echo.say({});
    await client?.close();
    expect(await pending).toBe('canceled');
  });
});
