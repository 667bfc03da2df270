import { randomUUID } from 'node:crypto';
import type { CockroachConnection } from './cockroach-connection.js';
import type { CockroachDatabases } from './cockroach-databases.js';
import { timeOf } from './cockroach-records.js';
import { change, type ChangeRow, changeSeveral, createDatabase, raiseCeiling } from './cockroach-sql.js';
import type { Place } from './blob/validation.js';
import { checkCondition, type CheckedChange } from './validation.js';

/** The greatest version that there can be, and that is never given. */
const greatest = 2n ** 63n - 1n;

/** What became of a change. */
export interface Changed {
  readonly version: bigint;
  readonly expiresAt: number | undefined;
}

/** Makes all the changes or none, in one statement. */
export async function makeChanges(
  connection: CockroachConnection,
  databases: CockroachDatabases,
  { database, table }: Place,
  changes: readonly CheckedChange[],
): Promise<readonly Changed[]> {
  const columns = changes.map(({ key, write, check, ifVersion }) => [
    Buffer.from(key),
    write?.value ?? null,
    write ? JSON.stringify(write.metadata) : '',
    write?.ttl === undefined ? null : Math.ceil(write.ttl),
    check ? 'check' : write ? 'write' : 'delete',
    ifVersion === undefined ? null : ifVersion < greatest ? ifVersion : greatest,
  ]);
  const [only] = columns;
  const values =
    columns.length === 1
      ? (only as unknown[])
      : (only as unknown[]).map((_, column) => columns.map((row) => row[column]));
  for (;;) {
    const rows = await databases.rows<ChangeRow>(columns.length === 1 ? change : changeSeveral, database, [
      Buffer.from(table),
      ...values,
    ]);
    if (rows.length === 0) {
      await connection.rows(createDatabase, [database, randomUUID()]);
      continue;
    }
    const found = new Map(rows.map((row) => [row.key.toString(), row]));
    const made = changes.map(({ key }) => found.get(key) as ChangeRow);
    changes.forEach(({ key, ifVersion }, index) => checkCondition(key, ifVersion, made[index]?.before ?? undefined));
    const next = made.reduce((most, row) => (row.next > most ? row.next : most), 0n);
    if (next > (made[0] as ChangeRow).ceiling) {
      await connection.rows(raiseCeiling, [database, next]);
      continue;
    }
    return changes.map(({ write, check }, index) => {
      const { before, version, expires } = made[index] as ChangeRow;
      return {
        version: (write ? version : check ? before : 0n) ?? 0n,
        expiresAt: timeOf(expires),
      };
    });
  }
}
