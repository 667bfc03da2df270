import { MicroError } from '@micro/errors';
import type { Registry } from '@micro/registry';
import type { Client } from '@micro/rpc';
import type { Config } from './config.js';

/** What the adapters of a process may need. */
export interface Surroundings {
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
