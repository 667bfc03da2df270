import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { outsideCalls } from '@micro/rpc';
import type { Place } from './blob/validation.js';
import type { CockroachConnection, Statement } from './cockroach-connection.js';
import type { CockroachDatabases } from './cockroach-databases.js';
import { longestTimeout } from './cockroach-options.js';
import { behind, next, recordsOf } from './cockroach-records.js';
import {
  changed,
  type ChangedRow,
  type Current,
  expired,
  list,
  type ListRow,
  readSeveral,
  type RecordRow,
  type SeveralRow,
} from './cockroach-sql.js';
import { remembered } from './cockroach-sweep.js';
import type { StoreRecord } from './store.js';
import { TableWatch, type TableWatchOptions } from './table-watch.js';

/** Milliseconds between two looks at what has changed, while somebody watches; at most after one that failed. */
const look = 250;
const lookAtMost = 2_000;
/**
 * Milliseconds that a look reaches back behind the one before it. A change has the time at which its statement began, and can be seen when that has
 * ended: most within the first, all within the second, which is four times as long as any statement may take and is looked over every twentieth
 * time. What is found again is not told again.
 */
const reach = 2_500;
const reachAtMost = 4 * longestTimeout;
const farLook = 20;
/** Milliseconds for which a clock may seem to go back because the nodes of a cluster do not have the same time; by more it has been set. */
const skew = 1_000;
/** Rows of an answer. */
const batch = 100;
const keysBatch = 5_000;

/** What changes in the tables that are watched: one look at each for all its watches in this process. */
export class CockroachWatches {
  readonly #connection: CockroachConnection;
  readonly #databases: CockroachDatabases;
  readonly #followers = new Map<string, Follower>();

  constructor(connection: CockroachConnection, databases: CockroachDatabases) {
    this.#connection = connection;
    this.#databases = databases;
  }

  watch(place: Place, options: Omit<TableWatchOptions, 'ended'>): TableWatch {
    const name = `${place.database}/${place.table}`;
    let follower = this.#followers.get(name);
    if (!follower) {
      follower = new Follower(place, {
        connection: this.#connection,
        databases: this.#databases,
        ended: () => this.#followers.delete(name),
      });
      this.#followers.set(name, follower);
    }
    return follower.watch(options);
  }

  /** What this process has changed itself need not be looked for. */
  changed({ database, table }: Place, keys: readonly string[]): void {
    this.#followers.get(`${database}/${table}`)?.changed(keys);
  }
}

interface FollowerOptions {
  readonly connection: CockroachConnection;
  readonly databases: CockroachDatabases;
  /** Called once, when nobody watches any more. */
  readonly ended: () => void;
}

class Follower {
  readonly #connection: CockroachConnection;
  readonly #databases: CockroachDatabases;
  readonly #place: Place;
  readonly #ended: () => void;
  readonly #watches = new Set<TableWatch>();
  readonly #stop = new AbortController();
  #begun: Promise<void> | undefined;
  /** Generation that was looked at last. */
  #generation: string | undefined;
  /** Microseconds of the database's clock at the last look, and at the last far one. */
  #since = 0n;
  #farSince = 0n;
  /** As the connection has them, when all that watches know of was compared last. */
  #losses: number;

  constructor(place: Place, { connection, databases, ended }: FollowerOptions) {
    this.#connection = connection;
    this.#databases = databases;
    this.#losses = connection.losses;
    this.#place = place;
    this.#ended = ended;
    const end = () => [...this.#watches].forEach((watch) => watch.end());
    connection.closing.addEventListener('abort', end, { once: true, signal: this.#stop.signal });
  }

  watch(options: Omit<TableWatchOptions, 'ended'>): TableWatch {
    const over = new AbortController();
    const watch: TableWatch = new TableWatch(
      {
        page: (after) => this.#insisting(over.signal, () => this.#page(options.prefix, after)),
        current: (keys, leave) => this.#insisting(over.signal, () => this.#current(keys, leave)),
        batch,
      },
      {
        ...options,
        ended: () => {
          over.abort();
          this.#forget(watch);
        },
      },
    );
    this.#watches.add(watch);
    if (options.signal?.aborted) this.#forget(watch);
    return watch;
  }

  changed(keys: readonly string[]): void {
    for (const watch of this.#watches) for (const key of keys) watch.change(key);
  }

  #forget(watch: TableWatch): void {
    this.#watches.delete(watch);
    if (this.#watches.size > 0) return;
    this.#stop.abort();
    this.#ended();
  }

  /** The answer, however often it takes to get one; of a watch that is over there is none. */
  async #insisting(over: AbortSignal, ask: () => Promise<readonly StoreRecord[]>): Promise<readonly StoreRecord[]> {
    for (let wait = look; !over.aborted; wait = Math.min(wait * 2, lookAtMost)) {
      try {
        return await outsideCalls(ask);
      } catch (error) {
        if (!passes(error)) throw error;
        await sleep(wait, undefined, { signal: over }).catch(() => undefined);
      }
    }
    return [];
  }

  async #page(prefix: string, after: string | undefined): Promise<readonly StoreRecord[]> {
    // What changes from before the first page on is told.
    const begun = (this.#begun ??= this.#begin());
    await begun.catch((error: unknown) => {
      if (this.#begun === begun) this.#begun = undefined;
      throw error;
    });
    const first = Buffer.from(prefix);
    const rows = await this.#rows<ListRow>(list({ descending: false, keysOnly: false, suffix: false }), [
      after === undefined ? first : next(Buffer.from(after)),
      behind(first),
      batch,
      0,
    ]);
    return recordsOf(rows);
  }

  async #current(keys: readonly string[], leave: (key: string) => void): Promise<readonly StoreRecord[]> {
    const rows = await this.#rows<SeveralRow>(readSeveral, [keys.map((key) => Buffer.from(key))]);
    for (const { key, value } of rows) if (key && !value) leave(key.toString());
    return recordsOf(rows.filter((row): row is RecordRow => row.value !== null));
  }

  /** From when on it is followed. Before that nobody has been told anything that could have changed. */
  async #begin(): Promise<void> {
    const [one] = await this.#keys(changed, never, nothing);
    if (one) [this.#generation, this.#since, this.#farSince] = [one.generation, one.now, one.now];
    void outsideCalls(() => this.#follow());
  }

  async #follow(): Promise<void> {
    let wait = look;
    for (let count = 1; ; count++) {
      await sleep(wait, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      try {
        await this.#look(count % farLook === 0);
        wait = look;
      } catch (error) {
        wait = Math.min(wait * 2, lookAtMost);
        if (!passes(error)) for (const watch of [...this.#watches]) watch.end(error);
      }
    }
  }

  /** Tells watches which keys have changed since the last look. */
  async #look(isFar: boolean): Promise<void> {
    const from = isFar ? this.#farSince - inMicroseconds(reachAtMost) : this.#since - inMicroseconds(reach);
    const [one, ...more] = await this.#keys(changed, from, nothing);
    const isNew = one?.generation !== this.#generation;
    const now = one?.now ?? 0n;
    const wasAway = now - this.#farSince > inMicroseconds(remembered - reachAtMost);
    if (isNew || wasAway || now < this.#since - inMicroseconds(skew)) {
      await this.#reconcile();
      [this.#generation, this.#since, this.#farSince] = [one?.generation, now, now];
      return;
    }
    // There is no such database.
    if (!one) return;
    await this.#tell(changed, [one, ...more]);
    const fromMilliseconds = from / 1_000n;
    await this.#tell(expired, await this.#keys(expired, fromMilliseconds, nothing));
    if (now > this.#since) this.#since = now;
    if (isFar) this.#farSince = now;
    // Not at each look: a server that is lost because it has too much to do is not to be asked for everything all the time.
    if (isFar && this.#connection.losses !== this.#losses) await this.#reconcile();
  }

  /** These keys, and those behind them. */
  async #tell(statement: Statement, first: readonly ChangedRow[]): Promise<void> {
    for (let rows = first; ;) {
      for (const { key, version } of rows)
        if (key) for (const watch of this.#watches) watch.change(key.toString(), version);
      const last = rows.at(-1);
      if (rows.length < keysBatch || !last?.key) return;
      rows = await this.#keys(statement, last.stamp, last.key);
    }
  }

  /** Compares everything that watches know of with what there is. */
  async #reconcile(): Promise<void> {
    const { losses } = this.#connection;
    const versions = new Map<string, bigint>();
    const keys = list({ descending: false, keysOnly: true, suffix: false });
    for (let low: Buffer = nothing; ;) {
      const rows = await this.#rows<ListRow>(keys, [low, behind(nothing), keysBatch, 0]);
      for (const { key, version } of rows) if (key) versions.set(key.toString(), version);
      const last = rows.at(-1)?.key;
      if (!last) break;
      low = next(last);
    }
    for (const watch of this.#watches) watch.reconcile(versions);
    this.#losses = losses;
  }

  #keys(statement: Statement, at: bigint, key: Buffer): Promise<readonly ChangedRow[]> {
    return this.#rows<ChangedRow>(statement, [at, key, keysBatch]);
  }

  #rows<Row extends Current>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    const { database, table } = this.#place;
    return this.#databases.rows<Row>(statement, database, [Buffer.from(table), ...values]);
  }
}

const nothing = Buffer.alloc(0);
/** Later than any change. */
const never = 2n ** 62n;

function inMicroseconds(milliseconds: number): bigint {
  return BigInt(milliseconds) * 1_000n;
}

/** Whether it is over some time without anybody doing anything about the configuration. */
function passes(error: unknown): boolean {
  return ['unavailable', 'deadline_exceeded', 'resource_exhausted', 'aborted'].includes(MicroError.from(error).code);
}
