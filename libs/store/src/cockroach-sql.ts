/**
 * What the store says to CockroachDB, and what PostgreSQL understands as well. Of each statement about records `$1` is the name of the database and
 * `$2` its generation as far as it is known; a row comes back with the one that counts, whatever else there is, so that a stale one is noticed at
 * the moment of the statement itself. Constants are what lets either find its way by the primary key.
 */
import type { Statement } from './cockroach-connection.js';
import { microseconds } from './cockroach-lease.js';

/** Microseconds by which the versions that may be given run ahead of those that were. */
const headroom = 3_600_000_000;
/** Bytes of values after which a page ends. */
const pageBytes = 16 * 1024 * 1024;

const milliseconds = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::INT8';
/** Asked for once a statement, and not once a row. */
const now = `(SELECT ${milliseconds})`;
const nowMicroseconds = `(SELECT ${microseconds})`;
const live = (row: string, at = now) =>
  `${row}.value IS NOT NULL AND (${row}.expires IS NULL OR ${row}.expires > ${at})`;
const version = 'GREATEST(r.version, d.base)';
const feed = (generation: string, table: string) => `(${generation})::TEXT || encode(${table}, 'hex')`;
const askedFeed = feed('$2::UUID', '$3::BYTEA');

/** Every row of an answer about records: which generation counts. */
export interface Current {
  readonly generation: string;
}

/** A record, or, with `key` null, none. */
export interface RecordRow extends Current {
  readonly key: Buffer | null;
  readonly value: Buffer;
  readonly metadata: string;
  readonly expires: bigint | null;
  readonly version: bigint;
}

const reading = (key: string) => `SELECT d.generation, r.key, r.value, r.metadata, r.expires, ${version} AS version
  FROM micro_databases d
  LEFT JOIN micro_records r ON r.generation = $2::UUID AND r.tbl = $3::BYTEA AND ${key} AND ${live('r')}
  WHERE d.name = $1`;

/** `$3` table, `$4` key. */
export const read: Statement = { name: 'micro_read', text: reading('r.key = $4::BYTEA'), repeatable: true };

/** `$3` table, `$4` keys. */
export const readSeveral: Statement = {
  name: 'micro_read_several',
  text: reading('r.key = ANY ($4::BYTEA[])'),
  repeatable: true,
};

/** What became of a key. */
export interface ChangeRow extends Current {
  readonly key: Buffer;
  /** Of the record before, if there was one. */
  readonly before: bigint | null;
  /** That the key would have, and the greatest that may be given. */
  readonly next: bigint;
  readonly ceiling: bigint;
  /** As it was made, if it was. */
  readonly version: bigint | null;
  readonly expires: bigint | null;
}

/**
 * All the changes or, where the generation is another, a condition does not hold or a version would be beyond the ceiling, none. A version is at
 * least the time, and greater than that of the row before, and than that of any row that was removed (floor): clocks may go back as they like.
 * In the order of the keys, so that two that change the same ones do not wait for each other.
 */
const changing = (wanted: string) => `WITH clock AS (SELECT ${microseconds} AS us, ${milliseconds} AS ms),
  wanted AS (${wanted}),
  found AS (
    SELECT w.key, w.value, w.metadata, w.ttl, w.kind, w.if_version, c.us, c.ms, d.generation, d.ceiling,
      CASE WHEN ${live('r', 'c.ms')} THEN ${version} END AS before,
      GREATEST(c.us, d.floor + 1, COALESCE(r.version, 0) + 1) AS next
    FROM micro_databases d CROSS JOIN clock c CROSS JOIN wanted w
    LEFT JOIN micro_records r ON r.generation = $2::UUID AND r.tbl = $3::BYTEA AND r.key = w.key
    WHERE d.name = $1),
  made AS (
    INSERT INTO micro_records (generation, tbl, key, value, metadata, expires, version, changed, feed)
    SELECT $2::UUID, $3::BYTEA, key, value, metadata, ms + ttl, next, us, ${askedFeed} FROM found
    WHERE generation = $2::UUID AND (kind = 'write' OR (kind = 'delete' AND before IS NOT NULL))
      AND (SELECT count(*) FROM found WHERE if_version <> COALESCE(before, 0) OR next > ceiling) = 0
    ORDER BY key
    ON CONFLICT (generation, tbl, key) DO UPDATE SET value = excluded.value, metadata = excluded.metadata,
      expires = excluded.expires, version = excluded.version, changed = excluded.changed
    RETURNING key, version, expires)
  SELECT f.generation, f.key, f.before, f.next, f.ceiling, m.version, m.expires
  FROM found f LEFT JOIN made m ON m.key = f.key`;

/** `$3` table; `$4` key, `$5` value, `$6` metadata, `$7` milliseconds to live, `$8` kind, `$9` version that there must be. */
export const change: Statement = {
  name: 'micro_change',
  text: changing(
    `SELECT $4::BYTEA AS key, $5::BYTEA AS value, $6::TEXT AS metadata, $7::INT8 AS ttl, $8::TEXT AS kind, $9::INT8 AS if_version`,
  ),
  repeatable: false,
};

/** As `change`, each value an array. */
export const changeSeveral: Statement = {
  name: 'micro_change_several',
  text: changing(`SELECT * FROM unnest($4::BYTEA[], $5::BYTEA[], $6::TEXT[], $7::INT8[], $8::TEXT[], $9::INT8[])
    AS given (key, value, metadata, ttl, kind, if_version)`),
  repeatable: false,
};

/** `$1` name, `$2` generation: a database that nobody has written to. */
export const createDatabase: Statement = {
  text: `INSERT INTO micro_databases (name, generation, base, floor, ceiling)
    VALUES ($1, $2, 0, 0, ${microseconds} + ${headroom}) ON CONFLICT (name) DO NOTHING`,
  repeatable: true,
};

/** `$1` name, `$2` a version that is to be given. */
export const raiseCeiling: Statement = {
  text: `UPDATE micro_databases SET ceiling = GREATEST($2::INT8, ${microseconds}) + ${headroom} WHERE name = $1 AND ceiling < $2::INT8`,
  repeatable: true,
};

export interface ListRow extends RecordRow {
  /** How many rows there would be if there were no end to their bytes. */
  readonly total: bigint;
}

export interface ListShape {
  readonly descending: boolean;
  readonly keysOnly: boolean;
  readonly suffix: boolean;
}

/** `$3` table, `$4` first key, `$5` behind the last, `$6` limit, `$7` offset; with a suffix `$8`. A page ends where there are too many bytes. */
export function list({ descending, keysOnly, suffix }: ListShape): Statement {
  const order = descending ? 'DESC' : 'ASC';
  const ending = suffix
    ? 'AND length(r.key) >= length($8::BYTEA) AND substring(r.key, length(r.key) - length($8::BYTEA) + 1) = $8::BYTEA'
    : '';
  return {
    name: `micro_list_${order}_${keysOnly}_${suffix}`,
    text: `SELECT d.generation, r.key, r.value, r.metadata, r.expires, ${version} AS version, r.total
      FROM micro_databases d LEFT JOIN (
        SELECT key, value, metadata, expires, version, count(*) OVER () AS total,
          sum(length(value)) OVER (ORDER BY key ${order} ROWS UNBOUNDED PRECEDING) - length(value) AS ahead
        FROM (
          SELECT r.key, ${keysOnly ? "''::BYTEA AS value" : 'r.value'}, r.metadata, r.expires, r.version
          FROM micro_records r
          WHERE r.generation = $2::UUID AND r.tbl = $3::BYTEA AND r.key >= $4::BYTEA AND r.key < $5::BYTEA AND ${live('r')} ${ending}
          ORDER BY r.key ${order} LIMIT $6::INT8 OFFSET $7::INT8) page
      ) r ON r.ahead < ${pageBytes}
      WHERE d.name = $1 ORDER BY r.key ${order}`,
    repeatable: true,
  };
}

export const databases: Statement = {
  text: `SELECT d.name FROM micro_databases d
    WHERE EXISTS (SELECT 1 FROM micro_records r WHERE r.generation = d.generation AND ${live('r')})`,
  repeatable: true,
};

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

/** A key that has changed; with `key` null none has. */
export interface ChangedRow extends Current {
  /** Microseconds since 1970 by the database's clock. */
  readonly now: bigint;
  readonly key: Buffer | null;
  readonly stamp: bigint;
  /** `0n`: there is no record any more. */
  readonly version: bigint;
}

/** `$3` table, `$4` and `$5` time and key behind which it goes on, `$6` limit. */
export const changed: Statement = {
  name: 'micro_changed',
  text: `SELECT d.generation, ${microseconds} AS now, r.key, r.changed AS stamp, CASE WHEN r.value IS NULL THEN 0 ELSE r.version END AS version
    FROM micro_databases d LEFT JOIN (
      SELECT key, changed, value, version FROM micro_records
      WHERE feed = ${askedFeed} AND (changed, key) > ($4::INT8, $5::BYTEA)
      ORDER BY changed, key LIMIT $6::INT8
    ) r ON TRUE WHERE d.name = $1 ORDER BY r.changed, r.key`,
  repeatable: true,
};

/** As `changed`, in milliseconds: of what has expired behind `$4`. */
export const expired: Statement = {
  name: 'micro_expired',
  text: `SELECT d.generation, ${microseconds} AS now, r.key, r.expires AS stamp, 0::INT8 AS version
    FROM micro_databases d LEFT JOIN (
      SELECT key, expires FROM micro_records
      WHERE feed = ${askedFeed} AND expires >= $4::INT8 AND (expires, key) > ($4::INT8, $5::BYTEA) AND expires <= ${now}
      ORDER BY expires, key LIMIT $6::INT8
    ) r ON TRUE WHERE d.name = $1 ORDER BY r.expires, r.key`,
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

/** `$1` generation; `$2` tables, `$3` keys, `$4` values, `$5` metadata, `$6` expiries, no key twice. */
export const fill: Statement = {
  name: 'micro_fill',
  text: `INSERT INTO micro_records (generation, tbl, key, value, metadata, expires, version, changed, feed)
    SELECT $1::UUID, tbl, key, value, metadata, expires, 0, 0, ${feed('$1::UUID', 'tbl')}
    FROM unnest($2::BYTEA[], $3::BYTEA[], $4::BYTEA[], $5::TEXT[], $6::INT8[]) AS given (tbl, key, value, metadata, expires)
    ON CONFLICT (generation, tbl, key) DO UPDATE SET value = excluded.value, metadata = excluded.metadata, expires = excluded.expires`,
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
