import type { Run, Statement } from './cockroach-connection.js';

/** Microseconds since 1970 by the database's clock. */
export const microseconds = 'floor(extract(epoch FROM clock_timestamp()) * 1000000)::INT8';

/** Of a name: who has it, by whom it may be taken when `until` has passed. A row stays for ever, so that tokens grow for ever. */
export const leaseTable =
  'CREATE TABLE IF NOT EXISTS micro_leases (name TEXT PRIMARY KEY, token INT8 NOT NULL, until INT8 NOT NULL)';

const take: Statement = {
  text: `INSERT INTO micro_leases (name, token, until) VALUES ($1, 1, ${microseconds} + $2::INT8 * 1000)
    ON CONFLICT (name) DO UPDATE SET token = micro_leases.token + 1, until = excluded.until
    WHERE micro_leases.until <= ${microseconds} RETURNING token`,
  repeatable: false,
};

const renew: Statement = {
  text: `UPDATE micro_leases SET until = ${microseconds} + $3::INT8 * 1000
    WHERE name = $1 AND token = $2 AND until > ${microseconds} RETURNING token`,
  repeatable: true,
};

const release: Statement = {
  text: 'UPDATE micro_leases SET until = 0 WHERE name = $1 AND token = $2',
  repeatable: true,
};

/** Something that one process at a time does, for `ttl` milliseconds from each renewal on. */
export interface Lease {
  readonly token: bigint;
  /** Whether it is still had. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** The lease of a name, compared and set in a row of it; undefined while somebody else has it. */
export async function takeLease(run: Run, name: string, ttl: number): Promise<Lease | undefined> {
  const [taken] = await run<{ readonly token: bigint }>(take, [name, ttl]);
  if (!taken) return undefined;
  const { token } = taken;
  return {
    token,
    renew: async () => (await run(renew, [name, token, ttl])).length > 0,
    release: async () => void (await run(release, [name, token])),
  };
}
