import { type Broker, type Events, openBroker, openEvents } from '@micro/broker';
import { MicroError } from '@micro/errors';
import type { Registry } from '@micro/registry';
import type { Client } from '@micro/rpc';
import { type Blobs, openBlobs, openStore, type Store } from '@micro/store';
import type { Config } from './config.js';

/** What the adapters of a process may need. */
export interface Surroundings {
  readonly config: Config;
  readonly registry: Registry;
  /** Made when it is asked for. */
  readonly client: Client;
  warn(message: string): void;
}

export async function openStoreOf(around: Surroundings): Promise<Store> {
  const { store } = around.config;
  return withSqlite('MICRO_STORE', () => openStore(store.adapter === 'remote' ? { ...store, client: around.client } : store));
}

export async function openBlobsOf(around: Surroundings): Promise<Blobs> {
  const { blobs } = around.config;
  return openBlobs(blobs.adapter === 'remote' ? { ...blobs, client: around.client } : blobs);
}

export async function openBrokerOf(around: Surroundings): Promise<Broker> {
  const { config, registry } = around;
  const { broker } = config;
  switch (broker.adapter) {
    case 'memory':
      return openBroker(broker);
    case 'http':
      return openBroker({ ...broker, registry, warn: (message) => around.warn(message) });
    case 'remote':
      return openBroker({ ...broker, client: around.client });
  }
}

export async function openEventsOf(around: Surroundings): Promise<Events> {
  const { events } = around.config;
  return withSqlite('MICRO_BROKER', () => openEvents(events.adapter === 'remote' ? { ...events, client: around.client } : events));
}

/** Says what to do where the package that keeps files is not there, or was built for another Node: it is an optional one, for its native part. */
async function withSqlite<T>(variable: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof MicroError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const way = `or keep nothing here: start \`micro server\` and set ${variable}=remote, or ${variable}=memory`;
    if (/(ERR_)?MODULE_NOT_FOUND/.test(code ?? '') && message.includes('better-sqlite3')) {
      throw new MicroError('failed_precondition', `files need the package better-sqlite3, which is not installed: npm install better-sqlite3; ${way}`, { cause: error });
    }
    if (code === 'ERR_DLOPEN_FAILED' || message.startsWith('Could not locate the bindings file')) {
      throw new MicroError(
        'failed_precondition',
        `the package better-sqlite3 was not built for this Node (${process.version}): npm rebuild better-sqlite3, which needs python3, make and a C++ compiler where there is no ready one; ${way}`,
        { cause: error },
      );
    }
    throw error;
  }
}
