import { etcdTool, haveTool, link, startEtcd } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { EtcdClient } from './client.js';
import { KeepAlive } from './keep-alive.js';

describe.skipIf(!haveTool(etcdTool))('a lease', { timeout: 60_000 }, () => {
  it('is kept alive over another stream at once when the one that there was has ended', async () => {
    await using server = await startEtcd();
    const way = await link(server.addresses[0] as string);
    const client = new EtcdClient({ addresses: [way.address] }, { id: 'registry', prefix: '/micro/' });
    const keepAlive = new KeepAlive();
    const { ID: lease } = await client.call(({ leaseClient }) => leaseClient.leaseGrant({ TTL: 60 }));
    expect(await keepAlive.ask(client.member, lease)).toBe(60_000);
    // Ends with the same connection.
    const watch = await client.member.etcd.watchClient.watch();
    const ended = new Promise((resolve) => watch.on('error', resolve));
    way.cut();
    way.mend();
    await ended;
    expect(await keepAlive.ask(client.member, lease)).toBe(60_000);
    keepAlive.close();
    client.close();
    await way.end();
  });
});
