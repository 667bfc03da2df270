import { type EtcdServers, etcdTool, startEtcd } from './etcd.js';
import { type NatsServers, natsTool, startNats } from './nats.js';
import { type PostgresServer, postgresTool, startPostgres } from './postgres.js';

export const backingTools = [etcdTool, natsTool, postgresTool] as const;

/** Real servers for all that a platform keeps somewhere else in staging: PostgreSQL in place of CockroachDB. */
export interface BackingServers extends AsyncDisposable {
  readonly etcd: EtcdServers;
  readonly nats: NatsServers;
  readonly postgres: PostgresServer;
  /** What makes a process keep everything in them. */
  readonly env: NodeJS.ProcessEnv;
}

export interface BackingServersOptions {
  /** Members of etcd's cluster and of NATS's, of which each then keeps everything. Default 1. */
  readonly members?: number;
}

export async function startBackingServers({ members = 1 }: BackingServersOptions = {}): Promise<BackingServers> {
  const starting = [startEtcd({ members }), startNats({ members }), startPostgres()] as const;
  try {
    const [etcd, nats, postgres] = await Promise.all(starting);
    return {
      etcd,
      nats,
      postgres,
      env: {
        MICRO_PROFILE: 'staging',
        MICRO_ETCD_ADDRESS: etcd.addresses.join(),
        MICRO_NATS_ADDRESS: nats.addresses.join(),
        MICRO_NATS_REPLICAS: String(members),
        MICRO_COCKROACH_URL: postgres.url,
      },
      [Symbol.asyncDispose]: () => disposeOf(starting),
    };
  } catch (error) {
    await disposeOf(starting);
    throw error;
  }
}

async function disposeOf(starting: readonly Promise<AsyncDisposable>[]): Promise<void> {
  const started = await Promise.allSettled(starting);
  await Promise.all(started.map((one) => one.status === 'fulfilled' && one.value[Symbol.asyncDispose]()));
}
