import { setTimeout as sleep } from 'node:timers/promises';
import type { CockroachConnection, Statement } from './cockroach-connection.js';
import { type Lease, takeLease } from './cockroach-lease.js';
import {
  forgetGeneration,
  givenUpGenerations,
  giveUpGenerations,
  raiseFloor,
  removeDeleted,
  removeExpired,
  removeRecords,
} from './cockroach-generations.js';

/** Milliseconds between two looks at what is to be removed, and for which one process has that to itself. */
const pause = 10_000;
const ttl = 30_000;
/** Records that are removed in one transaction. */
const batch = 200;
/** Milliseconds for which what was deleted or has expired is remembered: longer than a watch looks back, twice over. */
export const remembered = 600_000;

interface Removed {
  readonly generation: string;
  readonly version: bigint;
}

/** Removes what nobody can see any more, in one of all processes at a time, a little at once. */
export class CockroachSweep {
  readonly #connection: CockroachConnection;
  #running = false;

  constructor(connection: CockroachConnection) {
    this.#connection = connection;
  }

  /** From now on until the connection is closed: of who only reads nothing is left behind that would have to be removed. A second call does nothing. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  /** Once, if nobody else is about it. Whether it was done. */
  async sweep(): Promise<boolean> {
    const run = this.#connection.rows.bind(this.#connection);
    const lease = await takeLease(run, 'sweep', ttl);
    if (!lease) return false;
    try {
      for (const gone of [removeDeleted, removeExpired]) while (await this.#remove(gone, lease));
      await this.#connection.rows(giveUpGenerations);
      for (const { id } of await this.#connection.rows<{ readonly id: string }>(givenUpGenerations)) {
        while ((await this.#connection.rows(removeRecords, [id, batch])).length > 0) await held(lease);
        await this.#connection.rows(forgetGeneration, [id]);
      }
      return true;
    } finally {
      await lease.release();
    }
  }

  async #run(): Promise<void> {
    const { closing } = this.#connection;
    while (!closing.aborted) {
      const wait = pause * (0.5 + Math.random());
      await sleep(wait, undefined, { signal: closing, ref: false }).catch(() => undefined);
      // Whoever reads or writes next is told what is wrong.
      await this.sweep().catch(() => undefined);
    }
  }

  /** Whether there may be more. With the versions that are removed the floor rises, so that a key that comes back has a greater one. */
  async #remove(gone: Statement, lease: Lease): Promise<boolean> {
    await held(lease);
    return this.#connection.transaction(
      async (run) => {
        const removed = await run<Removed>(gone, [remembered, batch]);
        const greatest = new Map<string, bigint>();
        for (const { generation, version } of removed)
          if (version > (greatest.get(generation) ?? 0n)) greatest.set(generation, version);
        for (const [generation, version] of greatest) await run(raiseFloor, [generation, version]);
        return removed.length === batch;
      },
      { repeatable: true },
    );
  }
}

/** Throws if somebody else may be about it by now. */
async function held(lease: Lease): Promise<void> {
  if (!(await lease.renew())) throw new Error('the lease is over');
}
