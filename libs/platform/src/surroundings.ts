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

/** Says what to do where the package that keeps files is not there, or was built for another Node: it is an optional one, for its native part. */
export async function withSqlite<T>(variable: string, open: () => Promise<T>): Promise<T> {
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
