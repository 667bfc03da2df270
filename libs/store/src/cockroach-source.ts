import pg from 'pg';
import { DataSource } from 'typeorm';
import { type Migration, migrationsTableName } from './cockroach-migrations.js';
import type { CheckedOptions } from './cockroach-options.js';

/** Milliseconds that the server has on top of a statement's time in order to say that it was too long. */
const grace = 1_000;

/** The server ends what takes too long itself; where it has not done so in time, it is not there. */
export function timed(query: pg.QueryConfig, timeout: number): pg.QueryConfig {
  return Object.assign(query, { query_timeout: timeout + grace });
}

/** TypeORM's, which is both databases' where it is PostgreSQL's: that of CockroachDB begins with what only that understands. */
export function dataSource(options: CheckedOptions, migrations: readonly Migration[] = []): DataSource {
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

/** Its connections. */
export async function opened(source: DataSource): Promise<pg.Pool> {
  await source.initialize();
  const pool = poolOf(source) as pg.Pool;
  // One that is lost while it is in use says so to whoever uses it.
  pool.on('acquire', (client) => client.setMaxListeners(0).on('error', ignore));
  pool.on('release', (_error, client) => client.off('error', ignore));
  return pool;
}

/** Also one that was opened by half. */
export async function ended(source: DataSource): Promise<void> {
  await (source.isInitialized ? source.destroy() : poolOf(source)?.end());
}

function poolOf(source: DataSource): pg.Pool | undefined {
  return (source.driver as unknown as { readonly master: pg.Pool | undefined }).master;
}

function ignore(): void {}
