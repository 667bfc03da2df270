import { describe, expect, it } from 'vitest';
import { haveTool } from '../outside.js';
import { until } from '../until.js';
import { etcdTool, startEtcd } from './etcd.js';
import { natsTool, startNats } from './nats.js';
import { postgresTool, startPostgres } from './postgres.js';

const answers = async (address: string, path: string) =>
  (await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined))?.ok ?? false;

describe.skipIf(!haveTool(etcdTool))('etcd', () => {
  it('is stopped, killed and started again on the same address', async () => {
    await using etcd = await startEtcd();
    const [address] = etcd.addresses as [string];
    const [member] = etcd.members as [(typeof etcd.members)[0]];
    for (const end of ['stop', 'kill'] as const) {
      expect(await answers(address, '/health')).toBe(true);
      await member[end]();
      expect(await answers(address, '/health')).toBe(false);
      await member.start();
    }
  });

  it('goes on with two members of three', async () => {
    await using etcd = await startEtcd({ members: 3 });
    await etcd.members[0]?.kill();
    await until(
      'the others serve',
      async () =>
        (await answers(etcd.addresses[1] as string, '/health')) && answers(etcd.addresses[2] as string, '/health'),
    );
  });
});

describe.skipIf(!haveTool(natsTool))('NATS', () => {
  it('comes up alone and as three', async () => {
    await using one = await startNats();
    await using three = await startNats({ members: 3 });
    expect(new Set([...one.addresses, ...three.addresses]).size).toBe(4);
    expect(three.members.map(({ pid }) => pid).every((pid) => pid > 0)).toBe(true);
  });
});

describe.skipIf(!haveTool(postgresTool))('PostgreSQL', () => {
  it('comes up, and again after kill -9', async () => {
    await using postgres = await startPostgres();
    const { pid } = postgres.server;
    await postgres.server.kill();
    await postgres.server.start();
    expect(postgres.server.pid).not.toBe(pid);
    expect(postgres.url).toMatch(/^postgres:\/\/micro@127\.0\.0\.1:\d+\/postgres$/);
  });
});
