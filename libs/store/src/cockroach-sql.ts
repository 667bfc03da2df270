/**
 * What the store says to CockroachDB, and what PostgreSQL understands as well. Of each statement about records `$1` is the name of the database and
 * `$2` its generation as far as it is known; a row comes back with the one that counts, whatever else there is, so that a stale one is noticed at
 * the moment of the statement itself. Constants are what lets either find its way by the primary key.
 */
import type { Statement } from './cockroach-connection.js';
import { microseconds } from './cockroach-lease.js';

/** Microseconds by which the versions that may be given run ahead of those that were. */
export const headroom = 3_600_000_000;
/** Bytes of values after which a page ends. */
export const pageBytes = 16 * 1024 * 1024;

export const milliseconds = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::INT8';
/** Asked for once a statement, and not once a row. */
export const now = `(SELECT ${milliseconds})`;
export const live = (row: string, at = now) =>
  `${row}.value IS NOT NULL AND (${row}.expires IS NULL OR ${row}.expires > ${at})`;
const version = 'GREATEST(r.version, d.base)';
export const feed = (generation: string, table: string) => `(${generation})::TEXT || encode(${table}, 'hex')`;
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

/** `$3` table, `$4` key. */
export const read: Statement = {
  name: 'micro_read',
  text: `SELECT d.generation, r.key, r.value, r.metadata, r.expires, ${version} AS version
    FROM micro_databases d
    LEFT JOIN micro_records r ON r.generation = $2::UUID AND r.tbl = $3::BYTEA AND r.key = $4::BYTEA AND ${live('r')}
    WHERE d.name = $1`,
  repeatable: true,
};

/** A record whose value, where there are too many bytes ahead of it, is left out: null. */
export interface SeveralRow extends Omit<RecordRow, 'value'> {
  readonly value: Buffer | null;
}

/** `$3` table, `$4` keys. */
export const readSeveral: Statement = {
  name: 'micro_read_several',
  text: `SELECT d.generation, r.key, CASE WHEN r.ahead < ${pageBytes} THEN r.value END AS value, r.metadata, r.expires, ${version} AS version
    FROM micro_databases d LEFT JOIN (
      SELECT r.key, r.value, r.metadata, r.expires, r.version,
        sum(length(r.value)) OVER (ORDER BY r.key ROWS UNBOUNDED PRECEDING) - length(r.value) AS ahead
      FROM micro_records r
      WHERE r.generation = $2::UUID AND r.tbl = $3::BYTEA AND r.key = ANY ($4::BYTEA[]) AND ${live('r')}
    ) r ON TRUE WHERE d.name = $1`,
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
