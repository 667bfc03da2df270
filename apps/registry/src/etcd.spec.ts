import { openRegistry, type Registry, type Service } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import {
  compileProgram,
  etcdTool,
  type EtcdServers,
  freePorts,
  haveTool,
  type Program,
  type ServerProcess,
  startEtcd,
  startProgram,
  temporaryFolder,
  until,
} from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const soon = { timeout: 30_000, interval: 20 };
/** Long enough for a busy machine to renew in time. */
const ttl = 12_000;
const greeter: Service = {
  name: 'greeter',
  version: 'latest',
  metadata: {},
  endpoints: [],
  nodes: [{ id: 'g1', address: '127.0.0.1:1', metadata: { protocol: 'connect,grpc' } }],
};

describe.skipIf(!haveTool(etcdTool))('two replicas on one etcd', { timeout: 120_000 }, () => {
  let servers: EtcdServers;
  let etcd: ServerProcess;
  let replicas: readonly { start(): Promise<Program>; readonly registry: Registry }[];
  let running: Program[];
  const close: (() => unknown)[] = [];

  beforeEach(async () => {
    const folder = await temporaryFolder();
    close.push(() => folder[Symbol.asyncDispose]());
    servers = await startEtcd();
    close.push(() => servers[Symbol.asyncDispose]());
    [etcd] = servers.members as [ServerProcess];
    const file = await compileProgram(new URL('main.ts', import.meta.url), folder.path);
    const ports = await freePorts(2);
    replicas = await Promise.all(
      ports.map(async (port) => {
        const client = new Client({ discovery: fixedTargets(`127.0.0.1:${port}`) });
        const registry = await openRegistry({ adapter: 'remote', client });
        const env = {
          MICRO_PROFILE: 'local',
          MICRO_REGISTRY: 'etcd',
          MICRO_ETCD_ADDRESS: servers.addresses.join(),
          MICRO_ADDRESS: `127.0.0.1:${port}`,
          MICRO_HOME: folder.path,
        };
        const start = async () => {
          const program = startProgram(file, env);
          close.push(() => program.stop());
          await program.ready();
          return program;
        };
        close.push(async () => {
          await registry.close();
          await client.close();
        });
        return { start, registry };
      }),
    );
    running = await Promise.all(replicas.map((replica) => replica.start()));
  });
  afterEach(async () => {
    for (const one of close.splice(0).reverse()) await one();
  });

  /** What both are told of the service. */
  const watched = () =>
    replicas.map(({ registry }) => {
      const seen: string[] = [];
      void (async () => {
        for await (const event of registry.watch({ name: 'greeter' })) seen.push(event.type);
      })();
      return seen;
    });
  /** Renews at one replica, then the other, as a caller does who is led to either. */
  const renew = () => {
    let times = 0;
    const one = () => replicas[times++ % 2]?.registry.register(greeter, { ttl }).catch(() => undefined);
    const timer = setInterval(() => void one(), ttl / 12);
    close.push(() => clearInterval(timer));
  };
  const nodes = async (registry: Registry) =>
    (await registry.get('greeter')).flatMap((service) => service.nodes).length;

  it('a node that is renewed at either is lost with neither: not when they are killed, nor stopped, nor when etcd is', async () => {
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    const seen = watched();
    await first.registry.register(greeter, { ttl });
    for (const events of seen)
      await until('both tell of it', () => events.join() === 'synced,created' || events.join() === 'created,synced');
    renew();

    running[0]?.child.kill('SIGKILL');
    await running[0]?.exited;
    expect(await nodes(second.registry)).toBe(1);
    running[0] = await first.start();
    await expect.poll(() => nodes(first.registry), soon).toBe(1);
    await running[1]?.stop();
    expect(await nodes(first.registry)).toBe(1);
    running[1] = await second.start();
    await expect.poll(() => nodes(second.registry), soon).toBe(1);

    await etcd.kill();
    for (const { registry } of replicas) await expect.poll(() => nodes(registry), soon).toBe(1);
    await until('it is said', () => running.every((program) => program.output().includes('does not answer')), 30_000);
    await expect(first.registry.register({ ...greeter, name: 'new' })).rejects.toMatchObject({
      code: expect.stringMatching(/unavailable|deadline/),
    });
    await etcd.start();
    await expect
      .poll(() => first.registry.register({ ...greeter, name: 'new' }).then(() => second.registry.get('new')), soon)
      .toHaveLength(1);
    for (const events of seen) expect(events).not.toContain('deleted');
    for (const { registry } of replicas) expect(await nodes(registry)).toBe(1);
  });
});
