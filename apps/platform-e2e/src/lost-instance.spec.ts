import { createServer, type Server } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { startPlatform, type TestPlatform, until, workspaceRoot } from '@micro/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { grpcCaller, httpCaller, type Load, load } from './load.js';
import { type Instance, instancesOf, nodesOf, runningOf } from './running.js';

const callers = 8;

/** F2: one of two instances is killed under load, while gateway and proxy call a method that may be repeated and one that may not. */
describe('kill -9 of one of two instances', () => {
  let platform: TestPlatform;
  let loads: Readonly<Record<'idempotent' | 'other', readonly Load[]>>;
  let victim: Instance;
  const open: { close(): unknown }[] = [];

  beforeAll(async () => {
    platform = await startPlatform();
    expect(await platform.micro('run', `${workspaceRoot}apps/platform-e2e/src/ledger`, '--instances=2')).toMatchObject({
      code: 0,
    });
    await until('both instances run', async () => (await runningOf(platform, 'ledger')) === 2);
  });
  afterEach(async () => {
    await Promise.all(
      Object.values(loads)
        .flat()
        .map((one) => one.stop()),
    );
    for (const one of open.splice(0)) one.close();
  });
  afterAll(() => platform?.stop());

  /** Both doors, so many callers at each, until `afterEach`. */
  const begin = async () => {
    const through = (path: string, body: string, method: string, message: Buffer) => {
      const gateway = httpCaller(`http://${platform.address.api}${path}`, body);
      const proxy = grpcCaller(platform.address.proxy, method, message);
      open.push(gateway, proxy);
      return [load(gateway.call, callers), load(proxy.call, callers)];
    };
    loads = {
      idempotent: through('/ledger/read', '{}', '/ledger.Ledger/Read', Buffer.alloc(0)),
      other: through('/ledger/add', '{"amount":1}', '/ledger.Ledger/Add', Buffer.from([0x08, 1])),
    };
    await goOn(50);
    for (const one of all()) expect(one.failures()).toEqual([]);
  };
  const all = () => Object.values(loads).flat();
  const goOn = (more: number) => {
    const before = all().map(({ outcomes }) => outcomes.length);
    return until('calls go on', () =>
      all().every(({ outcomes }, index) => outcomes.length > (before[index] as number) + more),
    );
  };
  const kill = async () => {
    [victim] = (await instancesOf(platform, 'ledger')) as [Instance];
    process.kill(victim.pid, 'SIGKILL');
  };

  it.each(['once', 'twice', 'three times'])(
    '%s: fails no call that may be repeated, of the others at most those in flight, and reaches for the dead node no more after a second',
    async () => {
      await begin();
      await kill();
      await setTimeout(1_000);
      const failed = all().map((one) => one.failures().length);
      // Whoever still came would be heard now.
      const dead = await listener(victim.address);
      open.push(dead.server);
      await goOn(100);
      for (const one of loads.idempotent) expect(one.failures()).toEqual([]);
      for (const one of loads.other)
        expect(one.failures().length, JSON.stringify(one.failures())).toBeLessThanOrEqual(callers);
      expect(all().map((one) => one.failures().length)).toEqual(failed);
      expect(dead.connections()).toBe(0);
      expect(await nodesOf(platform, 'ledger')).not.toContain(victim.address);
      await until('another runs in its place', async () => (await runningOf(platform, 'ledger')) === 2);
    },
    60_000,
  );
});

/** Listens where a process was, and counts who comes. */
async function listener(address: string): Promise<{ readonly server: Server; connections(): number }> {
  let connections = 0;
  const [host, port] = address.split(':') as [string, string];
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(Number(port), host, resolve));
  return { server, connections: () => connections };
}
