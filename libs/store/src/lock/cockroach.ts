import { CockroachConnection, type Statement } from '../cockroach-connection.js';
import { freeLock, microseconds, renewLock, takeLock } from '../cockroach-lease.js';
import type { CockroachOptions } from '../cockroach-options.js';
import { Holding } from './holding.js';
import { type AcquireOptions, type Grant, type LeaseOptions, type Lock, type LockPlace, Locks } from './locks.js';
import { checkedClaim, checkedId, checkedLock, checkedTtl, type Claim, type Lockable, lost } from './validation.js';
import { type Look, lookMs, placeMs, Waiting } from './waiting.js';

/** Milliseconds between two looks of the one whose turn is next: another process cannot tell it. */
const nextMs = 200;
/** Connections at most: what is asked for is little. */
const most = 4;
/** Locks that are had here between two times that what nobody has had for an hour is removed. */
const sweepEvery = 100;

/** Locks in CockroachDB, by its clock. */
export class CockroachLocks extends Locks {
  readonly #connection: CockroachConnection;
  readonly #waiting = new Waiting();
  readonly #holding = new Holding(this);
  #taken = 0;

  constructor(options: CockroachOptions) {
    super();
    this.#connection = new CockroachConnection({ ...options, pool: Math.min(options.pool ?? most, most) });
  }

  override acquire(name: string, options?: AcquireOptions): Promise<Lock> {
    return this.#holding.acquire(name, options);
  }

  override async take(name: string, id: string, options?: AcquireOptions): Promise<Grant> {
    const claim = checkedClaim(name, id, options);
    return this.#waiting.take(claim, (left) => this.#look(claim, left > 0));
  }

  override async renew(name: string, id: string, options?: LeaseOptions): Promise<void> {
    this.#waiting.check();
    const lock = checkedLock(name, options);
    const values = [...valuesOf(lock, checkedId(id)), checkedTtl(options)];
    const renewed = await this.#connection.rows(renewLock, values);
    if (renewed.length === 0) throw lost(lock, 'somebody else may have it');
  }

  override async release(name: string, id: string, options?: LockPlace): Promise<void> {
    this.#waiting.check();
    const lock = checkedLock(name, options);
    const values = valuesOf(lock, checkedId(id));
    await this.#connection.rows(leave, values);
    await this.#connection.rows(freeLock, values);
    this.#waiting.freed(lock.key);
  }

  override async close(): Promise<void> {
    await this.#holding.close();
    this.#waiting.close();
    await this.#connection.close();
  }

  async #look(claim: Claim, queue: boolean): Promise<Look> {
    const { id, ttl } = claim;
    const values = valuesOf(claim, id);
    const rows = await this.#connection.rows<Row>(all, values.slice(0, 2));
    const holder = rows.find(({ held }) => held);
    const waiting = rows.filter(({ held }) => !held);
    const at = waiting.findIndex((waiter) => waiter.id === id);
    if (holder ? holder.id === id : waiting.length === 0 || at === 0) {
      const [taken] = await this.#connection.rows<{ readonly token: bigint }>(takeLock, [...values, ttl]);
      if (taken) {
        // A place in which nobody asks any more is nobody's soon.
        if (at === 0) await this.#connection.rows(leave, values).catch(() => undefined);
        if (++this.#taken % sweepEvery === 0) void this.#sweep();
        return taken;
      }
    }
    const asked = waiting[at]?.at;
    if ((queue || at >= 0) && (asked === undefined || Number(asked) > (placeMs * 1_000) / 2))
      await this.#connection.rows(ask, values);
    return { token: undefined, again: at === 0 ? nextMs : lookMs };
  }

  /** Who has just got a lock does not wait for it, and has it whatever comes of this. */
  async #sweep(): Promise<void> {
    for (const statement of sweeps) await this.#connection.rows(statement).catch(() => undefined);
  }
}

/** Who has a lock, and those who wait for it, in their order. */
interface Row {
  readonly held: boolean;
  readonly id: string;
  readonly ticket: bigint;
  /** Microseconds since the one who waits has last asked. */
  readonly at: bigint;
}

const hour = '3600000000';
const there = 'place = $1 AND name = $2';

const all: Statement = {
  name: 'micro_lock',
  text: `SELECT true AS held, id, 0::INT8 AS ticket, 0::INT8 AS at FROM micro_locks WHERE ${there} AND until > ${microseconds}
    UNION ALL SELECT false AS held, id, ticket, ${microseconds} - asked AS at FROM micro_lock_queue
    WHERE ${there} AND asked > ${microseconds} - ${placeMs * 1_000} ORDER BY ticket`,
  repeatable: true,
};

/** The place of one that did not ask for too long is lost. */
const ask: Statement = {
  text: `INSERT INTO micro_lock_queue (place, name, id, ticket, asked)
    VALUES ($1, $2, $3, nextval('micro_lock_tokens'), ${microseconds})
    ON CONFLICT (place, name, id) DO UPDATE SET asked = excluded.asked, ticket =
      CASE WHEN micro_lock_queue.asked > ${microseconds} - ${placeMs * 1_000} THEN micro_lock_queue.ticket ELSE excluded.ticket END`,
  repeatable: true,
};

const leave: Statement = { text: `DELETE FROM micro_lock_queue WHERE ${there} AND id = $3`, repeatable: true };

const sweeps: readonly Statement[] = [
  { text: `DELETE FROM micro_locks WHERE until < ${microseconds} - ${hour}`, repeatable: true },
  { text: `DELETE FROM micro_lock_queue WHERE asked < ${microseconds} - ${hour}`, repeatable: true },
];

/** Place, name, id. */
function valuesOf({ place, name }: Lockable, id: string): readonly [string, Buffer, string] {
  return [place, Buffer.from(name), id];
}
