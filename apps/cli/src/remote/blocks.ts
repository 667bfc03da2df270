import type { Broker, Events } from '@micro/broker';
import type { Client } from '@micro/rpc';
import type { Blobs, Locks, Store } from '@micro/store';
import type { Cli } from '../cli.js';

// By their files: what opens any adapter would bring all of them into a program that every command reads.

/** Gives the platform's store, behind the environment's proxy, and closes it afterwards. All errors are Failures. */
export function withStore<T>(cli: Cli, use: (store: Store) => Promise<T>): Promise<T> {
  return using(cli, 'store', use, async (client) => {
    const { RemoteStore } = await import('@micro/store/remote');
    return new RemoteStore(client);
  });
}

export function withBlobs<T>(cli: Cli, use: (blobs: Blobs) => Promise<T>): Promise<T> {
  return using(cli, 'store', use, async (client) => {
    const { RemoteBlobs } = await import('@micro/store/blob/remote');
    return new RemoteBlobs(client);
  });
}

export function withLocks<T>(cli: Cli, use: (locks: Locks) => Promise<T>): Promise<T> {
  return using(cli, 'store', use, async (client) => {
    const { RemoteLocks } = await import('@micro/store/lock/remote');
    return new RemoteLocks(client);
  });
}

export function withBroker<T>(cli: Cli, use: (broker: Broker) => Promise<T>): Promise<T> {
  return using(cli, 'broker', use, async (client) => {
    const { RemoteBroker } = await import('@micro/broker/remote');
    return new RemoteBroker(client);
  });
}

export function withEvents<T>(cli: Cli, use: (events: Events) => Promise<T>): Promise<T> {
  return using(cli, 'broker', use, async (client) => {
    const { RemoteEvents } = await import('@micro/broker/events/remote');
    return new RemoteEvents(client);
  });
}

/** Failure in a word that the caller's own code throws goes through as it is. */
async function using<Block extends { close(): Promise<void> }, T>(
  cli: Cli,
  service: string,
  use: (block: Block) => Promise<T>,
  open: (client: Client) => Promise<Block>,
): Promise<T> {
  const { connection } = cli;
  const block = await open(await connection.client());
  try {
    return await use(block);
  } catch (error) {
    throw connection.failure(error, service);
  } finally {
    await block.close();
  }
}
