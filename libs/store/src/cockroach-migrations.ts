import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type pg from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import type { Run } from './cockroach-connection.js';
import { codeOf, isConflict } from './cockroach-errors.js';
import { type Lease, leaseTables, takeLease } from './cockroach-lease.js';
import { type Step, steps } from './cockroach-schema.js';
import type { CockroachSource } from './cockroach-source.js';

export type Migration = new () => MigrationInterface;

export const migrationsTableName = 'micro_migrations';

/** As TypeORM looks for it, but for its numbers, which it would have from a sequence: a name comes once. */
const migrationsTable = `CREATE TABLE IF NOT EXISTS ${migrationsTableName} (id INT8 NOT NULL DEFAULT 0, timestamp INT8 NOT NULL, name TEXT PRIMARY KEY)`;

/** Milliseconds that others are waited for, for which they have the lease, and between two looks at how far they are. */
const patience = 120_000;
const ttl = 70_000;
const look = 100;
/** Milliseconds for its connections to end. */
const farewell = 1_000;

/**
 * Brings the tables up to date, by one process at a time: the others wait for it. One that dies over it is followed by the next, which
 * finds each step made or not, and makes it again where that is not known: a step may be made twice. When `closing` aborts nobody is waited for
 * any more.
 */
export async function migrate(
  pool: pg.Pool,
  open: (migrations: readonly Migration[]) => CockroachSource,
  closing: AbortSignal,
): Promise<void> {
  const run: Run = async ({ text }, values = []) => (await pool.query(text, [...values])).rows;
  for (const end = performance.now() + patience; ;) {
    if (await isCurrent(run)) return;
    try {
      for (const text of [...leaseTables, migrationsTable]) await run({ text, repeatable: true });
      const lease = await takeLease(run, 'migrations', ttl);
      if (lease) await make(lease, open);
    } catch (error) {
      if (!isMeeting(error)) throw error;
    }
    if (performance.now() > end) throw late();
    await sleep(look * (0.5 + Math.random()), undefined, { signal: closing });
  }
}

async function make(lease: Lease, open: (migrations: readonly Migration[]) => CockroachSource): Promise<void> {
  const source = open(steps.map((step) => migration(step, lease)));
  try {
    await source.migrate();
  } finally {
    await source.end(farewell);
    await lease.release();
  }
}

/** MicroError `failed_precondition` if a later Micro has been here. */
async function isCurrent(run: Run): Promise<boolean> {
  const known = steps.map(({ name }) => name);
  const made = await run<{ readonly name: string }>({
    text: `SELECT name FROM ${migrationsTableName}`,
    repeatable: true,
  }).catch((error: unknown) => {
    if (codeOf(error) === '42P01') return [];
    throw error;
  });
  const later = made.find(({ name }) => !known.includes(name));
  if (later)
    throw new MicroError(
      'failed_precondition',
      `the tables in CockroachDB were made by a later version of Micro (${later.name}): use that one, or another database in MICRO_COCKROACH_URL`,
      { id: 'store' },
    );
  return made.length === known.length;
}

function migration({ name, statements }: Step, lease: Lease): Migration {
  return class implements MigrationInterface {
    readonly name = name;

    async up(runner: QueryRunner): Promise<void> {
      for (const statement of statements) {
        if (!(await lease.renew())) throw lost();
        await runner.query(statement);
      }
    }

    async down(): Promise<void> {
      throw new MicroError('unimplemented', 'there is no way back: restore a backup of the database', { id: 'store' });
    }
  };
}

/** Whether others who did the same at the same moment were in the way, which an IF NOT EXISTS does not rule out. */
function isMeeting(error: unknown): boolean {
  return (
    isConflict(error) ||
    ['23505', '42P07', '42710', 'XX000'].includes(codeOf(error)) ||
    MicroError.from(error).code === 'aborted'
  );
}

function lost(): MicroError {
  return new MicroError('aborted', 'another process has begun to make the tables', { id: 'store' });
}

function late(): MicroError {
  const detail = `the tables in CockroachDB are not up to date after ${patience / 1_000} seconds: see what holds the process up that makes them (table micro_locks)`;
  return new MicroError('unavailable', detail, { id: 'store' });
}
