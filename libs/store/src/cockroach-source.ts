import { Socket } from 'node:net';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { type Migration, migrationsTableName } from './cockroach-migrations.js';
import type { CheckedOptions } from './cockroach-options.js';

/** Milliseconds that the server has on top of a statement's time in order to say that it was too long. */
export const grace = 1_000;

/** The server ends what takes too long itself; where it has not done so in time, it is not there. */
export function timed(query: pg.QueryConfig, timeout: number): pg.QueryConfig {
  return Object.assign(query, { query_timeout: timeout + grace });
}

/**
 * Connections that TypeORM makes. Neither it nor the pool below lets go of one whose server stands still: what takes too long is not waited for
 * here, and its sockets are cut.
 */
export class CockroachSource {
  readonly #sockets = new Set<Socket>();
  readonly #source: DataSource;
  readonly #timeout: number;

  constructor(options: CheckedOptions, migrations: readonly Migration[] = []) {
    this.#timeout = options.timeout + grace;
    this.#source = dataSource(options, { migrations, stream: () => this.#socket() });
  }

  /** Throws what pg and the network say, or that there was no answer in the time of a statement. */
  async open(): Promise<pg.Pool> {
    await within(this.#timeout, this.#source.initialize());
    const pool = this.#pool as pg.Pool;
    // One that is lost while it is in use says so to whoever uses it.
    pool.on('acquire', (client) => client.setMaxListeners(0).on('error', ignore));
    pool.on('release', (_error, client) => client.off('error', ignore));
    return pool;
  }

  /** Opens it, and runs what it was given and what was not run yet. */
  async migrate(): Promise<void> {
    await within(this.#timeout, this.#source.initialize());
    await this.#source.runMigrations({ transaction: 'none' });
  }

  /** Also of one that was opened by half. What goes on for longer than so many milliseconds is cut off. */
  async end(patience: number): Promise<void> {
    const ending = this.#source.isInitialized ? this.#source.destroy() : this.#pool?.end();
    await within(patience, ending).catch(ignore);
    for (const socket of this.#sockets) socket.destroy();
  }

  get #pool(): pg.Pool | undefined {
    return (this.#source.driver as unknown as { readonly master: pg.Pool | undefined }).master;
  }

  #socket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    return socket.once('close', () => this.#sockets.delete(socket));
  }
}

interface Particulars {
  readonly migrations: readonly Migration[];
  /** Of each connection. */
  readonly stream: () => Socket;
}

/** TypeORM's, which is both databases' where it is PostgreSQL's: that of CockroachDB begins with what only that understands. */
function dataSource(options: CheckedOptions, { migrations, stream }: Particulars): DataSource {
  const { host, port, user, password, database, ssl, pool, timeout, application, settings } = options;
  return new DataSource({
    type: 'postgres',
    driver: pg,
    host,
    port,
    username: user,
    database,
    ssl,
    applicationName: application,
    poolSize: pool,
    connectTimeoutMS: timeout,
    // Whoever asks next is told, or never knows.
    poolErrorHandler: () => undefined,
    installExtensions: false,
    logging: false,
    migrations: [...migrations],
    migrationsTableName,
    migrationsTransactionMode: 'none',
    extra: {
      // As a function it is looked for nowhere else, and shown to nobody.
      password: () => password,
      options: settings,
      stream,
      statement_timeout: timeout,
      idle_in_transaction_session_timeout: timeout,
      query_timeout: timeout + grace,
      keepAlive: true,
      // It does not keep the process.
      allowExitOnIdle: true,
      types: { getTypeParser },
    },
  });
}

const int8 = 20;

function getTypeParser(oid: number, format?: string): unknown {
  return oid === int8 ? BigInt : pg.types.getTypeParser(oid, format as 'text');
}

async function within(milliseconds: number, work: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timeout: no answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function ignore(): void {}
