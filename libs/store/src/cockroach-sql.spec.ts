import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/**
 * What PostgreSQL, on which these statements are run in tests, would take, and CockroachDB does not, or takes for something else; and what only
 * CockroachDB would take.
 */
const forbidden: readonly (readonly [string, RegExp])[] = [
  ['numbers from a sequence in a column', /\b(small|big)?serial\b|\bgenerated\b.*\bidentity\b/i],
  ['advisory locks', /\bpg_(try_)?advisory/i],
  ['notifications', /\b(listen|unlisten|notify)\s+\w|pg_notify/i],
  ['what stands for the inside of PostgreSQL', /\b(xmin|xmax|ctid|oid|txid_|pg_current_(xact|snapshot|wal))/i],
  ['its catalogues and sleep', /\bpg_(catalog|class|stat|locks|sleep|database)/i],
  ['its own languages', /\$\$|plpgsql|\bdo\s+\$|create\s+(or\s+replace\s+)?(function|procedure|trigger|rule)/i],
  ['deferrable transactions', /\bdeferrable\b/i],
  ['locks on tables', /\block\s+table\b/i],
  ['tables that are not kept', /\b(temp|temporary|unlogged)\s+table\b/i],
  ['patterns, in which characters have a meaning', /\b(i?like|similar\s+to)\b|~\*?/i],
  ['the end of bytes by a function that only texts have there', /\bright\s*\(/i],
  ['collations', /\bcollate\b/i],
  ['what joins another way', /\bfull\s+(outer\s+)?join\b.*\bon\s+true|\bmerge\s+into\b/i],
  ['whole numbers of another size', /\b(int[24]?|integer|smallint)\b/i],
  ['a division, which of whole numbers is another', /\s\/\s/],
  ['the past', /as\s+of\s+system\s+time|follower_read/i],
  ['the words of CockroachDB alone', /\bupsert\b|\bunique_rowid\b|\bcluster_logical_timestamp\b|\bcrdb_internal\b/i],
];

const folder = new URL('.', import.meta.url);
const adapter = /^cockroach(-\w+)*\.ts$/;

/** Every text in backquotes or quotes that begins as a statement does, or stands in one. */
function statements(file: string): string[] {
  const source = readFileSync(new URL(file, folder), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const texts = [...source.matchAll(/`((?:[^`\\]|\\.)*)`|'((?:[^'\\\n]|\\.)*)'/g)].map((match) => match[1] ?? match[2]);
  return texts
    .filter((text): text is string => text !== undefined)
    .filter((text) => /\b(SELECT|INSERT|UPDATE|DELETE|CREATE|WITH|BEGIN|SET LOCAL|WHERE|AND|extract)\b/.test(text));
}

describe('what is said to CockroachDB', () => {
  const files = ['', 'lock/'].flatMap((part) =>
    readdirSync(new URL(part || '.', folder))
      .filter((name) => adapter.test(name))
      .map((name) => `${part}${name}`),
  );

  it('is found where it is', () => {
    expect(files).toEqual(expect.arrayContaining(['cockroach-sql.ts', 'cockroach-schema.ts', 'lock/cockroach.ts']));
    expect(statements('cockroach-sql.ts').length).toBeGreaterThan(10);
    expect(statements('cockroach-schema.ts').length).toBeGreaterThan(5);
  });

  it.each(forbidden)('has no %s', (_, words) => {
    const found = files.flatMap((file) =>
      statements(file)
        .filter((text) => words.test(text))
        .map((text) => `${file}: ${text}`),
    );
    expect(found).toEqual([]);
  });

  it('would be found out if it had', () => {
    const suspects = [
      'CREATE TABLE a (id SERIAL)',
      'SELECT pg_advisory_lock(1)',
      'LISTEN changes',
      'SELECT xmin FROM a',
      'SELECT pg_sleep(1)',
      'DO $$ BEGIN END $$',
      'BEGIN READ ONLY DEFERRABLE',
      'LOCK TABLE a',
      'CREATE TEMP TABLE a (b TEXT)',
      "SELECT 1 WHERE key LIKE 'a%'",
      'SELECT right(key, 2)',
      'SELECT a COLLATE "C"',
      'MERGE INTO a',
      'SELECT 1::INT4',
      'SELECT a / 2',
      "SELECT 1 AS OF SYSTEM TIME '-1s'",
      'UPSERT INTO a VALUES (1)',
    ];
    expect(suspects.map((text, index) => forbidden[index]?.[1].test(text))).toEqual(suspects.map(() => true));
    expect(suspects).toHaveLength(forbidden.length);
  });
});
