/** What the store says to CockroachDB about whole databases: of snapshots, restores and what is removed. */
import type { Statement } from './cockroach-connection.js';
import { microseconds } from './cockroach-lease.js';
import { feed, headroom, live, milliseconds, now, pageBytes } from './cockroach-sql.js';

const nowMicroseconds = `(SELECT ${microseconds})`;

/** `$1` name: its generation, and the time. */
export const moment: Statement = {
  text: `SELECT generation, ${milliseconds} AS ms FROM micro_databases WHERE name = $1`,
  repeatable: true,
};

/** `$1` generation, `$2` table behind which the next is looked for. */
export const nextTable: Statement = {
  text: `SELECT r.tbl FROM micro_records r WHERE r.generation = $1::UUID AND r.tbl > $2::BYTEA AND ${live('r')} ORDER BY r.tbl LIMIT 1`,
  repeatable: true,
};

export interface SnapshotRow {
  readonly tbl: Buffer;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly metadata: string;
  readonly expires: bigint | null;
}

/** `$1` generation, `$2` time, `$3` and `$4` table and key behind which it goes on, `$5` limit. */
export const snapshotPage: Statement = {
  text: `SELECT tbl, key, value, metadata, expires FROM (
      SELECT tbl, key, value, metadata, expires,
        sum(length(value)) OVER (ORDER BY tbl, key ROWS UNBOUNDED PRECEDING) - length(value) AS ahead
      FROM (
        SELECT r.tbl, r.key, r.value, r.metadata, r.expires FROM micro_records r
        WHERE r.generation = $1::UUID AND (r.tbl, r.key) > ($3::BYTEA, $4::BYTEA) AND ${live('r', '$2::INT8')}
        ORDER BY r.tbl, r.key LIMIT $5::INT8) page
    ) counted WHERE ahead < ${pageBytes} ORDER BY tbl, key`,
  repeatable: true,
};

/** `$1` a generation that is to be filled, `$2` microseconds until it is given up. */
export const beginGeneration: Statement = {
  text: `INSERT INTO micro_generations (id, until, removing) VALUES ($1, ${microseconds} + $2::INT8, FALSE) ON CONFLICT (id) DO NOTHING`,
  repeatable: true,
};

/** As `beginGeneration`: it goes on. No row where it has been given up already. */
export const keepGeneration: Statement = {
  text: `UPDATE micro_generations SET until = ${microseconds} + $2::INT8 WHERE id = $1 AND NOT removing RETURNING id`,
  repeatable: true,
};

/**
 * `$1` generation; `$2` tables, `$3` keys, `$4` values, `$5` metadata, `$6` expiries, no key twice. No row where the generation has been given up:
 * nobody would remove what came into it after that.
 */
export const fill: Statement = {
  name: 'micro_fill',
  text: `INSERT INTO micro_records (generation, tbl, key, value, metadata, expires, version, changed, feed)
    SELECT $1::UUID, tbl, key, value, metadata, expires, 0, 0, ${feed('$1::UUID', 'tbl')}
    FROM unnest($2::BYTEA[], $3::BYTEA[], $4::BYTEA[], $5::TEXT[], $6::INT8[]) AS given (tbl, key, value, metadata, expires)
    WHERE EXISTS (SELECT 1 FROM micro_generations WHERE id = $1::UUID AND NOT removing)
    ON CONFLICT (generation, tbl, key) DO UPDATE SET value = excluded.value, metadata = excluded.metadata, expires = excluded.expires
    RETURNING 1 AS filled`,
  repeatable: true,
};

/** `$1` generation: how many records there are in it, and when. */
export const countRecords: Statement = {
  text: `SELECT count(*) AS count, ${now} AS ms FROM micro_records r WHERE r.generation = $1::UUID AND ${live('r')}`,
  repeatable: true,
};

/** `$1` generation, `$2` time: how many have expired since. */
export const countExpired: Statement = {
  text: `SELECT count(*) AS count FROM micro_records r WHERE r.generation = $1::UUID AND r.expires > $2::INT8 AND r.expires <= ${now}`,
  repeatable: true,
};

/** `$1` generation: it is not to be removed any more. No row where it has been given up already. */
export const claimGeneration: Statement = {
  text: 'DELETE FROM micro_generations WHERE id = $1 AND NOT removing RETURNING id',
  repeatable: false,
};

/** `$1` generation, `$2` microseconds: it is in no database any more, and removed when whoever may still write to it has ended. */
export const dropGeneration: Statement = {
  text: `INSERT INTO micro_generations (id, until, removing) VALUES ($1, ${microseconds} + $2::INT8, FALSE)
    ON CONFLICT (id) DO UPDATE SET until = excluded.until`,
  repeatable: true,
};

/** `$1` name, `$2` generation: it counts from now on. Versions are greater than any that was ever given before. */
export const placeGeneration: Statement = {
  text: `INSERT INTO micro_databases (name, generation, base, floor, ceiling)
    VALUES ($1, $2, ${microseconds}, ${microseconds}, ${microseconds} + ${headroom})
    ON CONFLICT (name) DO UPDATE SET generation = excluded.generation,
      base = GREATEST(excluded.base, micro_databases.ceiling) + 1,
      floor = GREATEST(excluded.base, micro_databases.ceiling) + 1,
      ceiling = GREATEST(excluded.base, micro_databases.ceiling) + ${headroom}`,
  repeatable: false,
};

/** `$1` milliseconds for which what is gone is remembered, `$2` limit. */
export const removeDeleted: Statement = {
  text: `DELETE FROM micro_records WHERE (generation, tbl, key) IN (
      SELECT generation, tbl, key FROM micro_records WHERE value IS NULL AND changed < ${nowMicroseconds} - $1::INT8 * 1000 ORDER BY changed LIMIT $2::INT8)
    RETURNING generation, version`,
  repeatable: false,
};

/** As `removeDeleted`, of records that have expired. */
export const removeExpired: Statement = {
  text: `DELETE FROM micro_records WHERE (generation, tbl, key) IN (
      SELECT generation, tbl, key FROM micro_records WHERE expires < ${now} - $1::INT8 ORDER BY expires LIMIT $2::INT8)
    RETURNING generation, version`,
  repeatable: false,
};

/** `$1` generation, `$2` version: the greatest of those that were removed. */
export const raiseFloor: Statement = {
  text: 'UPDATE micro_databases SET floor = $2::INT8 WHERE generation = $1::UUID AND floor < $2::INT8',
  repeatable: true,
};

/** Those that nobody will ever put into place: they can be removed. */
export const giveUpGenerations: Statement = {
  text: `UPDATE micro_generations SET removing = TRUE WHERE until < ${microseconds} AND NOT removing`,
  repeatable: true,
};

export const givenUpGenerations: Statement = {
  text: 'SELECT id FROM micro_generations WHERE removing',
  repeatable: true,
};

/** `$1` generation, `$2` limit. */
export const removeRecords: Statement = {
  text: `DELETE FROM micro_records WHERE generation = $1::UUID AND (tbl, key) IN (
      SELECT tbl, key FROM micro_records WHERE generation = $1::UUID LIMIT $2::INT8) RETURNING 1 AS removed`,
  repeatable: true,
};

export const forgetGeneration: Statement = {
  text: 'DELETE FROM micro_generations WHERE id = $1 AND removing',
  repeatable: true,
};
