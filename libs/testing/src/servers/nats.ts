import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type OutsideTool, toolEnvironment } from '../outside.js';
import { freePorts } from '../ports.js';
import { temporaryFolder } from '../temporary.js';
import { OutsideServer, type ServerProcess } from './server.js';

export const natsTool: OutsideTool = { name: 'nats-server', apt: 'nats-server' };

export interface NatsServers extends AsyncDisposable {
  /** `host:port` of each member, for clients. */
  readonly addresses: readonly string[];
  readonly members: readonly ServerProcess[];
  /** Folder of JetStream's files, of each member. */
  readonly folders: readonly string[];
}

export interface NatsOptions {
  /** Members of the cluster. Default 1. */
  readonly members?: number;
  /** Further lines of each one's configuration: `authorization { token: secret }`. */
  readonly config?: string;
  /** Within `jetstream { }`: `max_file_store: 10MB`. */
  readonly jetstream?: string;
}

/** Starts a real NATS server with JetStream, or a cluster of several, on free ports of 127.0.0.1; its data are gone when it is disposed. */
export async function startNats({ members = 1, config = '', jetstream = '' }: NatsOptions = {}): Promise<NatsServers> {
  const folder = await temporaryFolder();
  const ports = await freePorts(members * 3);
  const names = Array.from({ length: members }, (_, index) => `nats${index}`);
  const port = (index: number, kind: 0 | 1 | 2) => ports[index * 3 + kind] as number;
  const routes = names.map((_, index) => `nats-route://127.0.0.1:${port(index, 1)}`).join(', ');
  const folders = names.map((name) => join(folder.path, name));
  const servers = await Promise.all(
    names.map(async (name, index) => {
      const file = join(folder.path, `${name}.conf`);
      const cluster =
        members > 1 ? `cluster { name: test, listen: "127.0.0.1:${port(index, 1)}", routes: [${routes}] }` : '';
      await writeFile(
        file,
        [
          `server_name: ${name}`,
          `listen: "127.0.0.1:${port(index, 0)}"`,
          `http: "127.0.0.1:${port(index, 2)}"`,
          `jetstream { store_dir: "${folders[index]}"\n${jetstream} }`,
          cluster,
          config,
        ].join('\n'),
      );
      return new OutsideServer({
        file: 'nats-server',
        args: ['-c', file],
        options: { env: toolEnvironment() },
        log: join(folder.path, `${name}.log`),
        // Of a cluster: with a leader for JetStream's own data.
        serves: async () =>
          (await fetch(`http://127.0.0.1:${port(index, 2)}/healthz${members > 1 ? '?js-enabled-only=true' : ''}`)).ok &&
          (members === 1 || (await hasLeader(port(index, 2)))),
      });
    }),
  );
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
    folders,
    [Symbol.asyncDispose]: dispose,
  };
}

async function hasLeader(monitoring: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${monitoring}/jsz`);
  const { meta_cluster: meta } = (await answer.json()) as { meta_cluster?: { leader?: string } };
  return Boolean(meta?.leader);
}
