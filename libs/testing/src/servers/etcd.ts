import { join } from 'node:path';
import { type OutsideTool, toolEnvironment } from '../outside.js';
import { freePorts } from '../ports.js';
import { temporaryFolder } from '../temporary.js';
import { OutsideServer, type ServerProcess } from './server.js';

export const etcdTool: OutsideTool = { name: 'etcd', apt: 'etcd-server' };

export interface EtcdServers extends AsyncDisposable {
  /** `host:port` of each member, for clients. */
  readonly addresses: readonly string[];
  readonly members: readonly ServerProcess[];
}

export interface EtcdOptions {
  /** Members of the cluster. Default 1. */
  readonly members?: number;
  /** Further arguments for each. */
  readonly args?: readonly string[];
  /** Of clients' addresses; with `https` the arguments must name certificates. Default `http`. */
  readonly scheme?: 'http' | 'https';
}

/** Starts a real etcd, or a cluster of several, on free ports of 127.0.0.1; its data are gone when it is disposed. */
export async function startEtcd({ members = 1, args = [], scheme = 'http' }: EtcdOptions = {}): Promise<EtcdServers> {
  const folder = await temporaryFolder();
  const ports = await freePorts(members * 3);
  const names = Array.from({ length: members }, (_, index) => `etcd${index}`);
  const port = (index: number, kind: 0 | 1 | 2) => ports[index * 3 + kind] as number;
  const cluster = names.map((name, index) => `${name}=http://127.0.0.1:${port(index, 1)}`).join(',');
  const servers = names.map((name, index) => {
    const client = `${scheme}://127.0.0.1:${port(index, 0)}`;
    const peer = `http://127.0.0.1:${port(index, 1)}`;
    return new OutsideServer({
      file: 'etcd',
      args: [
        ...['--name', name, '--data-dir', join(folder.path, name)],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        // Health and metrics over plain HTTP, whatever clients speak.
        ...['--listen-metrics-urls', `http://127.0.0.1:${port(index, 2)}`],
        ...['--initial-cluster', cluster, '--initial-cluster-token', folder.path],
        ...args,
      ],
      options: { env: toolEnvironment() },
      log: join(folder.path, `${name}.log`),
      serves: async () => (await fetch(`http://127.0.0.1:${port(index, 2)}/health`)).ok,
    });
  });
  const dispose = async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await folder[Symbol.asyncDispose]();
  };
  for (const server of servers) server.launch();
  try {
    await Promise.all(servers.map((server) => server.ready()));
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    addresses: names.map((_, index) => `127.0.0.1:${port(index, 0)}`),
    members: servers,
    [Symbol.asyncDispose]: dispose,
  };
}
