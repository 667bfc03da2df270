import { randomUUID } from 'node:crypto';
import type { Run, Statement } from './cockroach-connection.js';

/** Microseconds since 1970 by the database's clock. */
export const microseconds = 'floor(extract(epoch FROM clock_timestamp()) * 1000000)::INT8';

/**
 * Of each name the id of who has it, until when, and since which token; made before all other tables, which are made under such a lease. Tokens are
 * from a sequence, which is never reset. A row stays for an hour after it was free: whoever takes the lease at the same time meets it, and
 * begins anew with a later token.
 */
export const leaseTables = [
  `CREATE TABLE IF NOT EXISTS micro_locks (
    place TEXT NOT NULL, name BYTEA NOT NULL, id TEXT NOT NULL, token INT8 NOT NULL, until INT8 NOT NULL, PRIMARY KEY (place, name))`,
  'CREATE SEQUENCE IF NOT EXISTS micro_lock_tokens',
];

/** Place, name, id, ttl in milliseconds. No row: somebody else has it. Whoever has it already keeps the token. */
export const takeLock: Statement = {
  text: `INSERT INTO micro_locks (place, name, id, token, until)
    VALUES ($1, $2, $3, nextval('micro_lock_tokens'), ${microseconds} + $4::INT8 * 1000)
    ON CONFLICT (place, name) DO UPDATE SET id = excluded.id, until = excluded.until, token =
      CASE WHEN micro_locks.id = excluded.id AND micro_locks.until > ${microseconds} THEN micro_locks.token ELSE excluded.token END
    WHERE micro_locks.id = excluded.id OR micro_locks.until <= ${microseconds} RETURNING token`,
  repeatable: true,
};

/** Place, name, id, ttl in milliseconds. No row: the id does not have it. */
export const renewLock: Statement = {
  text: `UPDATE micro_locks SET until = ${microseconds} + $4::INT8 * 1000
    WHERE place = $1 AND name = $2 AND id = $3 AND until > ${microseconds} RETURNING token`,
  repeatable: true,
};

/** Place, name, id. */
export const freeLock: Statement = {
  text: `UPDATE micro_locks SET until = ${microseconds} WHERE place = $1 AND name = $2 AND id = $3 AND until > ${microseconds}`,
  repeatable: true,
};

/** Something that one process at a time does, for `ttl` milliseconds from each renewal on. */
export interface Lease {
  readonly token: bigint;
  /** Whether it is still had. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** The lease of a name of the store's own, which is no lock of anybody's; undefined while somebody else has it. */
export async function takeLease(run: Run, name: string, ttl: number): Promise<Lease | undefined> {
  const owner = ['', Buffer.from(name), randomUUID()];
  const [taken] = await run<{ readonly token: bigint }>(takeLock, [...owner, ttl]);
  return (
    taken && {
      token: taken.token,
      renew: async () => (await run(renewLock, [...owner, ttl])).length > 0,
      release: async () => void (await run(freeLock, owner)),
    }
  );
}
