/** Of the tables, in the order in which they are made. What was released once stays as it is. */
export interface Step {
  /** Ends in 13 digits, by which TypeORM orders them. */
  readonly name: string;
  /** Each is a statement of its own, and does no harm when it is made twice. */
  readonly statements: readonly string[];
}

/**
 * `micro_databases`: of each database which generation of records is the one that counts; a restore puts another in its place. `base`: the version
 * of records that are as they were restored. `floor`: of the versions that were removed none is greater. `ceiling`: none that was ever given is.
 *
 * `micro_generations`: those that are in no database, because they are not complete yet, or not any more. When `until` has passed they are removed;
 * once `removing` is set they can never be put into place.
 *
 * `micro_lock_queue`: who waits for a lock, by `ticket`; `asked` when last, in microseconds since 1970.
 *
 * `micro_records`: names and keys as bytes, which compare alike everywhere; `value` is null where a record was deleted; `expires` in milliseconds,
 * `changed` in microseconds since 1970 by the database's clock; `feed` says generation and table once more, for the indexes that watches go by:
 * no planner that knows nothing of a new table yet takes one of those for a way to a key. What is deleted or has expired stays for a while, for the watches of all processes.
 */
export const steps: readonly Step[] = [
  {
    name: 'StoreTables1767225600000',
    statements: [
      `CREATE TABLE IF NOT EXISTS micro_databases (
        name TEXT PRIMARY KEY, generation UUID NOT NULL, base INT8 NOT NULL, floor INT8 NOT NULL, ceiling INT8 NOT NULL)`,
      'CREATE TABLE IF NOT EXISTS micro_generations (id UUID PRIMARY KEY, until INT8 NOT NULL, removing BOOLEAN NOT NULL)',
      `CREATE TABLE IF NOT EXISTS micro_records (
        generation UUID NOT NULL, tbl BYTEA NOT NULL, key BYTEA NOT NULL, value BYTEA, metadata TEXT NOT NULL,
        expires INT8, version INT8 NOT NULL, changed INT8 NOT NULL, feed TEXT NOT NULL, PRIMARY KEY (generation, tbl, key))`,
      'CREATE INDEX IF NOT EXISTS micro_records_changed ON micro_records (feed, changed, key)',
      `CREATE INDEX IF NOT EXISTS micro_records_expiring ON micro_records (feed, expires, key) WHERE expires IS NOT NULL`,
      'CREATE INDEX IF NOT EXISTS micro_records_deleted ON micro_records (changed) WHERE value IS NULL',
      'CREATE INDEX IF NOT EXISTS micro_records_expired ON micro_records (expires) WHERE expires IS NOT NULL',
    ],
  },
  {
    name: 'LockQueue1767225600001',
    statements: [
      `CREATE TABLE IF NOT EXISTS micro_lock_queue (
        place TEXT NOT NULL, name BYTEA NOT NULL, id TEXT NOT NULL, ticket INT8 NOT NULL, asked INT8 NOT NULL, PRIMARY KEY (place, name, id))`,
      'CREATE INDEX IF NOT EXISTS micro_lock_queue_asked ON micro_lock_queue (asked)',
      'CREATE INDEX IF NOT EXISTS micro_locks_until ON micro_locks (until)',
    ],
  },
];
