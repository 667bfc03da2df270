import { MicroError } from '@micro/errors';
import type { Registry } from '@micro/registry';
import type { Client } from '@micro/rpc';
import type { Config } from './config.js';

/** What the adapters of a process may need. */
export interface Surroundings {
  /** Of the service or app. */
  readonly name: string;
  readonly config: Config;
  readonly registry: Registry;
  /** Made when it is asked for. */
  readonly client: Client;
  warn(message: string): void;
}

/**
 * Loads what keeps files. It is an optional package, for its native part; MicroError `failed_precondition`, with what to do, where it is not there
 * or was built for another Node. `variable`: by which one can do without.
 */
export async function requireSqlite(variable: string): Promise<void> {
  try {
    const { default: Database } = await import('better-sqlite3');
    // The native part is loaded with the first database.
    new Database(':memory:').close();
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const missing = code.endsWith('MODULE_NOT_FOUND');
    const what = missing
      ? 'files need the package better-sqlite3, which is not installed: npm install better-sqlite3'
      : `files need the package better-sqlite3, which cannot be loaded by this Node, ${process.version} (${message.split('\n', 1)[0]}): npm rebuild better-sqlite3`;
    throw new MicroError(
      'failed_precondition',
      `${what} (where there is no ready build of it, that takes python3, make and a C++ compiler); or leave the files to \`micro server\`: ${variable}=remote`,
      { cause: error },
    );
  }
}

/**
 * Opens an adapter whose client the published SDK does without: these packages are not among its dependencies. MicroError
 * `failed_precondition`, with what to do, where one is not there.
 */
export async function withPackages<T>(names: readonly string[], open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const missing = code.endsWith('MODULE_NOT_FOUND') && names.some((name) => message.includes(name));
    if (!missing) throw error;
    throw new MicroError(
      'failed_precondition',
      `this profile needs ${names.join(', ')}, which a service does not bring along: npm install ${names.join(' ')}; or set MICRO_PROFILE=service, as \`micro run\` does, which needs none of it: everything then goes through the platform`,
      { cause: error },
    );
  }
}

/** All that speaks to NATS here, so that whoever installs them does so once. */
export const natsPackages = ['@nats-io/transport-node', '@nats-io/jetstream'] as const;

/** What every connection to NATS is called, and whom it tells what does not work. */
export function connection(around: Surroundings): { readonly name: string; warn(message: string): void } {
  return { name: around.name, warn: (message) => around.warn(message) };
}
