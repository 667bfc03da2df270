import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { echoSchema, echoServer } from './echo.fixture.js';
import { GrpcLane, type GrpcLaneOptions } from './grpc-lane.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Between lane and service: can fall silent without closing anything, like a node that stands still or a cable that was pulled. */
async function wire(target: string): Promise<{ address: string; freeze(): void; count(): number }> {
  const [host, port] = target.split(':') as [string, string];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((near) => {
    accepted++;
    const far = connect(Number(port), host);
    for (const socket of [near, far]) sockets.add(socket.on('error', () => undefined));
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const freeze = () => {
    for (const socket of sockets) socket.unpipe().pause();
  };
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, freeze, count: () => accepted };
}

function laneTo(address: string, options: Partial<GrpcLaneOptions> = {}): GrpcLane {
  const lane = new GrpcLane(address, { connectTimeout: 10_000, messageBytes: 1e6, keepalive: undefined, ...options });
  closers.push(() => lane.destroy(new Error('the test is over')));
  return lane;
}

async function service(): Promise<string> {
  const server = await echoServer();
  closers.push(() => server.close({ graceMs: 0 }));
  return server.address;
}

const note = echoSchema.message('echo.Note').encode({ text: 'x' });

describe('a connection', () => {
  it('is one for many calls', async () => {
    const { address, count } = await wire(await service());
    const lane = laneTo(address);
    const calls = await Promise.all(Array.from({ length: 20 }, () => lane.open('/echo.Echo/Both', [])));
    for (const call of calls) {
      await call.write(note);
      expect(await call.read()).toEqual(Buffer.from(note));
      call.end();
      expect(await call.outcome).toMatchObject({ error: undefined });
    }
    expect(count()).toBe(1);
  });

  it('that has fallen silent is broken off by the keepalive', async () => {
    const { address, freeze } = await wire(await service());
    const lane = laneTo(address, { keepalive: { every: 30, timeout: 100 } });
    const call = await lane.open('/echo.Echo/Both', []);
    await call.write(note);
    await call.read();
    freeze();
    expect(await call.outcome).toMatchObject({ error: { code: 'unavailable' }, fault: 'reset' });
  });

  it('survives the keepalive as long as it answers', async () => {
    const lane = laneTo(await service(), { keepalive: { every: 10, timeout: 5_000 } });
    const call = await lane.open('/echo.Echo/Both', []);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await call.write(note);
    expect(await call.read()).toEqual(Buffer.from(note));
    call.end();
    expect(await call.outcome).toMatchObject({ error: undefined });
  });

  it('must be made in time, and by who speaks HTTP/2', async () => {
    const { address, freeze } = await wire(await service());
    const silent = createServer((socket) => void closers.push(() => socket.destroy())).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    closers.push(() => silent.close());
    await expect(
      laneTo(`127.0.0.1:${(silent.address() as AddressInfo).port}`, { connectTimeout: 100 }).open('/x.Y/Z', []),
    ).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    const http1 = createServer((socket) =>
      socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ).listen(0, '127.0.0.1');
    await once(http1, 'listening');
    closers.push(() => http1.close());
    await expect(laneTo(`127.0.0.1:${(http1.address() as AddressInfo).port}`).open('/x.Y/Z', [])).rejects.toThrow();
    const lane = laneTo(address);
    expect(await lane.probe(10_000)).toBe(true);
    freeze();
    expect(await lane.probe(100)).toBe(false);
  });

  it('is closed when its calls have ended', async () => {
    const lane = laneTo(await service());
    const call = await lane.open('/echo.Echo/Both', []);
    lane.close();
    await call.write(note);
    expect(await call.read()).toEqual(Buffer.from(note));
    call.end();
    expect(await call.outcome).toMatchObject({ error: undefined });
  });
});
