import { openRegistry, type Registry, RegistryCache, type RegistryEvent, type Service } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { compileProgram, freePorts, type Program, startProgram, temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

const soon = { timeout: 15_000, interval: 20 };
/** Long enough for a busy machine to start the process again, short enough to be renewed in the meantime. */
const ttl = 15_000;
const greeter: Service = {
  name: 'greeter',
  version: 'latest',
  metadata: {},
  endpoints: [],
  nodes: [{ id: 'g1', address: '127.0.0.1:1', metadata: { protocol: 'connect,grpc' } }],
};

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let start: () => Promise<Program>;
let address: string;
let mdnsPort: number;
const close: (() => unknown)[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  const [port, udpPort] = (await freePorts(2)) as [number, number];
  address = `127.0.0.1:${port}`;
  mdnsPort = udpPort;
  const file = await compileProgram(new URL('main.ts', import.meta.url), folder.path);
  const env = {
    MICRO_PROFILE: 'local',
    MICRO_ADDRESS: address,
    MICRO_MDNS_PORT: `${mdnsPort}`,
    MICRO_HOME: folder.path,
  };
  start = async () => {
    const program = startProgram(file, env);
    close.unshift(() => program.stop());
    await program.ready();
    return program;
  };
});
afterAll(async () => {
  for (const one of close) await one();
  await folder[Symbol.asyncDispose]();
});

/** What somebody is told who watches. */
function watched(registry: Registry): string[] {
  const seen: string[] = [];
  const watch = async () => {
    for await (const event of registry.watch()) if (event.type !== 'synced') seen.push(told(event));
  };
  void watch();
  return seen;
}

it('may be killed and stopped: nobody who renews is lost, neither by RPC nor by mDNS', async () => {
  let program = await start();
  const client = new Client({ discovery: fixedTargets(address), timeout: 2_000 });
  const remote = await openRegistry({ adapter: 'remote', client });
  const neighbour = await openRegistry({
    adapter: 'mdns',
    port: mdnsPort,
    fallbackFile: `${folder.path}/registry.json`,
  });
  const cache = new RegistryCache(remote);
  close.unshift(async () => {
    await cache.close();
    await Promise.all([remote.close(), neighbour.close()]);
    await client.close();
  });
  await neighbour.register({ ...greeter, name: 'neighbour' });
  const [byRpc, byMdns] = [watched(remote), watched(neighbour)];
  await remote.register(greeter, { ttl });
  let renewed: Promise<unknown> = Promise.resolve();
  const renew = () => {
    const before = renewed;
    renewed = Promise.all([before, remote.register(greeter, { ttl }).catch(() => undefined)]);
  };
  const renewing = setInterval(renew, ttl / 15);
  close.unshift(() => clearInterval(renewing));

  // Registered by RPC, announced by mDNS on its behalf; and the other way round.
  await expect
    .poll(() => [...byMdns].sort(), soon)
    .toEqual(['created greeter', 'created neighbour', 'created registry']);
  await expect
    .poll(() => [...byRpc].sort(), soon)
    .toEqual(['created greeter', 'created neighbour', 'created registry']);
  await cache.ready();

  program.child.kill('SIGKILL');
  await program.exited;
  expect(await cache.targets('greeter', 'micro')).toHaveLength(1);
  program = await start();
  await expect.poll(() => remote.get('greeter'), soon).toHaveLength(1);

  await program.stop();
  await start();
  await expect.poll(() => remote.get('greeter'), soon).toHaveLength(1);
  expect(await neighbour.get('greeter')).toHaveLength(1);
  const lost = [...byRpc, ...byMdns].filter((event) => event === 'deleted greeter' || event === 'deleted neighbour');
  expect(lost).toEqual([]);

  // Watches are back: one that is away while the registry is new must take what it no longer finds for forgotten, and waits for it.
  await neighbour.register({ ...greeter, name: 'later' });
  await expect.poll(() => byRpc, soon).toContain('created later');
  clearInterval(renewing);
  await renewed;
  await remote.deregister(greeter);
  // Not as the last: news of the registry's own former nodes may come at any time.
  await expect.poll(() => byRpc, soon).toContain('deleted greeter');
  await expect.poll(() => byMdns, soon).toContain('deleted greeter');
});

function told(event: RegistryEvent): string {
  return event.type === 'synced' ? event.type : `${event.type} ${event.service.name}`;
}
