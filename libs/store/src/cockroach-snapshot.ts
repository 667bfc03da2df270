import { randomUUID } from 'node:crypto';
import { MicroError } from '@micro/errors';
import type { CockroachConnection } from './cockroach-connection.js';
import { metadataOf, timeOf } from './cockroach-records.js';
import {
  beginGeneration,
  claimGeneration,
  countExpired,
  countRecords,
  dropGeneration,
  fill,
  keepGeneration,
  moment,
  placeGeneration,
  snapshotPage,
  type SnapshotRow,
} from './cockroach-generations.js';
import type { SnapshotRecord } from './store.js';
import { untilClosed } from './until-closed.js';
import { checkedExpiry, checkedTable, checkedWriting, closed } from './validation.js';

/** Records of a page, and of what is restored at once; and bytes of the latter. */
const batch = 200;
const batchBytes = 1024 * 1024;
/** Microseconds after which a restore that nobody goes on with is given up, and milliseconds between two signs of life. */
const patience = 120_000_000;
const sign = 20_000;
/** Microseconds after which nobody writes any more to a generation that was replaced. */
const afterlife = 60_000_000;
/** Milliseconds that may be taken to count what was restored. */
const countTimeout = 600_000;

/** Every record of a database as they were at one moment. */
export function snapshotOf(connection: CockroachConnection, database: string): AsyncGenerator<SnapshotRecord> {
  return connection.reading(async function* (run) {
    const [found] = await run<{ readonly generation: string; readonly ms: bigint }>(moment, [database]);
    if (!found) return;
    const { generation, ms } = found;
    let tbl: Buffer = Buffer.alloc(0);
    let key = tbl;
    for (;;) {
      const rows = await run<SnapshotRow>(snapshotPage, [generation, ms, tbl, key, batch]);
      for (const row of rows) yield snapshotRecord(row);
      const last = rows.at(-1);
      if (!last) return;
      ({ tbl, key } = last);
    }
  });
}

/**
 * Fills a new generation of a database, which nobody sees, and puts it in the place of the one that counts. What becomes of one that is not
 * finished, and of the one before, is cockroach-sweep.ts's business.
 */
export async function restoreSnapshot(
  connection: CockroachConnection,
  records: AsyncIterable<SnapshotRecord>,
  database: string,
): Promise<number> {
  const generation = randomUUID();
  await connection.rows(beginGeneration, [generation, patience]);
  const alive = setInterval(() => {
    connection.rows(keepGeneration, [generation, patience]).catch(() => undefined);
  }, sign).unref();
  try {
    for await (const part of parts(untilClosed(records, connection.closing)))
      if ((await connection.rows(fill, [generation, ...part])).length === 0) throw late();
    if (connection.closing.aborted) throw closed();
    return await place(connection, generation, database);
  } catch (error) {
    // Whoever sweeps finds it in the end; only sooner like this. One that is in its place already is in nobody's way here.
    await connection.rows(keepGeneration, [generation, 0]).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(alive);
  }
}

async function place(connection: CockroachConnection, generation: string, database: string): Promise<number> {
  type Counted = { readonly count: bigint; readonly ms: bigint };
  const [counted] = await connection.transaction((run) => run<Counted>(countRecords, [generation]), {
    repeatable: true,
    readOnly: true,
    timeout: countTimeout,
  });
  const { count, ms } = counted as Counted;
  return connection.transaction(
    async (run) => {
      if ((await run(claimGeneration, [generation])).length === 0) throw late();
      const [before] = await run<{ readonly generation: string }>(moment, [database]);
      await run(placeGeneration, [database, generation]);
      if (before) await run(dropGeneration, [before.generation, afterlife]);
      const [expired] = await run<{ readonly count: bigint }>(countExpired, [generation, ms]);
      return Number(count - (expired?.count ?? 0n));
    },
    { repeatable: false },
  );
}

/** The columns of some records at a time. Of a key that comes twice the last counts, as if they were written one after the other. */
async function* parts(records: AsyncIterable<SnapshotRecord>): AsyncGenerator<unknown[][]> {
  let rows = new Map<string, unknown[]>();
  let bytes = 0;
  const columns = () => [0, 1, 2, 3, 4].map((column) => [...rows.values()].map((row) => row[column]));
  for await (const { table, record } of records) {
    checkedTable({ table });
    const { key, value, metadata } = checkedWriting(record);
    const expires = checkedExpiry(key, record.expiresAt) ?? null;
    rows.set(`${table}/${key}`, [Buffer.from(table), Buffer.from(key), value, JSON.stringify(metadata), expires]);
    bytes += value.length;
    if (rows.size < batch && bytes < batchBytes) continue;
    yield columns();
    rows = new Map();
    bytes = 0;
  }
  if (rows.size > 0) yield columns();
}

function snapshotRecord({ tbl, key, value, metadata, expires }: SnapshotRow): SnapshotRecord {
  return {
    table: tbl.toString(),
    record: {
      key: key.toString(),
      value: new Uint8Array(value),
      metadata: metadataOf(metadata),
      expiresAt: timeOf(expires),
    },
  };
}

function late(): MicroError {
  const detail = 'the restore stood still for so long that it was given up: nothing has changed, try again';
  return new MicroError('aborted', detail, { id: 'store' });
}
