import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { outsideCalls } from '@micro/rpc';
import type pg from 'pg';
import { crowdedMessage, isBroken, isConflict, isCrowded, isLost, translated } from './cockroach-errors.js';
import { migrate } from './cockroach-migrations.js';
import { type CheckedOptions, checkedOptions, type CockroachOptions } from './cockroach-options.js';
import { CockroachSource, timed } from './cockroach-source.js';
import { closed } from './validation.js';

/** Times that a connection is tried for again before a call fails, and milliseconds in between. */
const reconnect = { times: 2, wait: 50 } as const;
/** Calls that wait for a connection at most, for each that there is. */
const waitingPerConnection = 100;

/** Milliseconds that the consumer of what is read at one moment may take over a piece of it. */
const readerPatience = 600_000;
/** Milliseconds for connections to end that are of no use. */
const farewell = 100;
/** Milliseconds that a step of a migration may take. */
const migrationTimeout = 60_000;

/** A statement. Values stand in it as `$1`, `$2`. */
export interface Statement {
  /** Under which it is prepared on each connection. Default: it is not. */
  readonly name?: string;
  readonly text: string;
  /** Whether making it twice comes to the same as making it once: it is made again if the connection is lost. */
  readonly repeatable: boolean;
}

/** Makes a statement on one connection. Of its values `bigint` is INT8, `Buffer` BYTEA. */
export type Run = <Row>(statement: Statement, values?: readonly unknown[]) => Promise<Row[]>;

export interface TransactionOptions {
  /** Whether making it twice comes to the same as making it once. */
  readonly repeatable: boolean;
  /** Default false. */
  readonly readOnly?: boolean;
  /** Milliseconds that each of its statements may take, and each pause between them. Default: the timeout of the options. */
  readonly timeout?: number;
  readonly idle?: number;
}

/** A connection that is in use. */
interface Lent {
  readonly run: Run;
  /** Gives it back, or ends it where it is of no further use. A second call does nothing. */
  readonly release: (broken: boolean) => void;
}

/**
 * Connections to a CockroachDB, made when they are first needed and again when they are lost. Everything is serializable; what failed only
 * because of others at the same time is made again, for as long as a statement may take. Before anything else the tables are brought up to date.
 * Errors are MicroErrors as `translated`; none of them has the password.
 */
export class CockroachConnection {
  /** `host:port`, for people. */
  readonly address: string;
  readonly #options: CheckedOptions;
  readonly #closing = new AbortController();
  #opening: Promise<pg.Pool> | undefined;
  #source: CockroachSource | undefined;
  readonly #lent = new Set<Lent>();
  /** When the server last said anything, by `performance.now()`. */
  #heard = 0;
  #readings = 0;
  #losses = 0;

  constructor(options: CockroachOptions) {
    this.#options = checkedOptions(options);
    this.address = `${this.#options.host}:${this.#options.port}`;
    // Each reading that goes on listens.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Aborts when it is closed, with what every call is answered then. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** How often a connection was lost, or none was to be had: who answers after that may be another server, or have been put back to a backup. */
  get losses(): number {
    return this.#losses;
  }

  /** One statement, which is a transaction of its own. */
  async rows<Row>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#trying(statement.repeatable, ({ run }) => run<Row>(statement, values));
  }

  /** Several statements in one transaction. `work` is called again where others were in its way: it keeps nothing of the time before. */
  async transaction<T>(work: (run: Run) => Promise<T>, options: TransactionOptions): Promise<T> {
    return this.#trying(
      options.repeatable,
      async ({ run }) => {
        await begin(run, options);
        try {
          const result = await work(run);
          await run(once('COMMIT'));
          return result;
        } catch (error) {
          if (!isBroken(error)) await run(once('ROLLBACK')).catch(() => undefined);
          throw error;
        }
      },
      options,
    );
  }

  /**
   * What `work` yields of one transaction that only reads, as of one moment, however long its consumer takes. Of a connection that is lost, or
   * others that are in its way, before anything was yielded nobody hears. Half of the connections can be in use so at a time.
   */
  async *reading<T>(work: (run: Run) => AsyncGenerator<T>): AsyncGenerator<T> {
    if (this.#readings >= this.#options.pool / 2) throw crowded(this.#readings);
    this.#readings++;
    try {
      yield* this.#read(work);
    } finally {
      this.#readings--;
    }
  }

  /** Begins nothing any more, ends what goes on for longer than a statement may take. A second call does nothing. */
  async close(): Promise<void> {
    if (this.closing.aborted) return;
    this.#closing.abort(closed());
    await this.#opening?.catch(() => undefined);
    const end = () => [...this.#lent].forEach((one) => one.release(true));
    const patience = setTimeout(end, this.#options.timeout);
    await this.#source?.end(this.#options.timeout);
    clearTimeout(patience);
  }

  async *#read<T>(work: (run: Run) => AsyncGenerator<T>): AsyncGenerator<T> {
    for (let tries = 1; ; tries++) {
      const { run, release } = await this.#trying(true, async (lent) => lent, { keep: true });
      const onClose = () => release(true);
      this.closing.addEventListener('abort', onClose);
      let yielded = false;
      try {
        await begin(run, { readOnly: true, idle: readerPatience });
        for await (const item of work(run)) {
          yielded = true;
          yield item;
        }
        return;
      } catch (error) {
        if (this.closing.aborted) throw closed();
        if (yielded || tries > reconnect.times || !(isConflict(error) || isLost(error)))
          throw translated(error, this.address);
      } finally {
        this.closing.removeEventListener('abort', onClose);
        // Whoever uses it next shall not inherit how long it may take.
        release(true);
      }
    }
  }

  async #trying<T>(
    repeatable: boolean,
    attempt: (lent: Lent) => Promise<T>,
    { keep = false, timeout = this.#options.timeout }: { readonly keep?: boolean; readonly timeout?: number } = {},
  ): Promise<T> {
    const end = performance.now() + timeout;
    for (let conflicts = 0, losses = 0; ;) {
      let lent: Lent | undefined;
      try {
        lent = await this.#lend(timeout);
        const result = await attempt(lent);
        if (!keep) lent.release(false);
        return result;
      } catch (error) {
        lent?.release(isBroken(error));
        if (isBroken(error) && !isCrowded(error)) this.#losses++;
        if (this.closing.aborted) throw closed();
        if (isConflict(error) && performance.now() < end) await this.#pause(2 ** Math.min(conflicts++, 6));
        // Where there was no connection nothing was sent. One that took as long as all may take need not be tried for again.
        else if (
          isLost(error) &&
          (repeatable || !lent) &&
          losses++ < reconnect.times &&
          performance.now() < end - reconnect.wait
        )
          await this.#pause(reconnect.wait * losses);
        else throw translated(error, this.address);
      }
    }
  }

  /** Milliseconds of about that many, so that those who were in each other's way come back apart. */
  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds * (0.5 + Math.random()), undefined, { signal: this.closing }).catch(() => undefined);
    if (this.closing.aborted) throw closed();
  }

  async #lend(timeout: number): Promise<Lent> {
    if (this.closing.aborted) throw closed();
    const pool = await this.#pool();
    if (pool.waitingCount >= waitingPerConnection * this.#options.pool) throw new Error(crowdedMessage);
    const client = await this.#connected(pool);
    const lent: Lent = {
      run: async <Row>({ name, text }: Statement, values: readonly unknown[] = []) => {
        try {
          const { rows } = await client.query(timed({ name, text, values: [...values] }, timeout));
          this.#heard = performance.now();
          return rows as Row[];
        } catch (error) {
          if (!isBroken(error)) this.#heard = performance.now();
          throw error;
        }
      },
      release: (broken) => {
        if (this.#lent.delete(lent)) client.release(broken);
      },
    };
    this.#lent.add(lent);
    return lent;
  }

  /** Of those that wait in vain while the server answers nobody, too many calls are not what is wrong. */
  async #connected(pool: pg.Pool): Promise<pg.PoolClient> {
    const begun = performance.now();
    try {
      return await pool.connect();
    } catch (error) {
      throw isCrowded(error) && this.#heard < begun ? new Error('timeout: no statement was answered') : error;
    }
  }

  #pool(): Promise<pg.Pool> {
    if (!this.#opening) {
      // It outlives the call that it is first used in.
      const opening = outsideCalls(() => this.#open());
      this.#opening = opening;
      opening.catch(() => (this.#opening = undefined));
    }
    return this.#opening;
  }

  async #open(): Promise<pg.Pool> {
    const source = new CockroachSource(this.#options);
    try {
      const pool = await source.open();
      pool.on('error', () => this.#losses++);
      const forSteps = { ...this.#options, pool: 2, timeout: migrationTimeout };
      await migrate(pool, (migrations) => new CockroachSource(forSteps, migrations), this.closing);
      this.#source = source;
      return pool;
    } catch (error) {
      await source.end(farewell);
      throw translated(error, this.address);
    }
  }
}

function crowded(readings: number): MicroError {
  const detail = `${readings} snapshots are being read already: wait for one of them to end, or raise MICRO_COCKROACH_POOL`;
  return new MicroError('resource_exhausted', detail, { id: 'store' });
}

async function begin(
  run: Run,
  { readOnly = false, timeout, idle }: Omit<TransactionOptions, 'repeatable'>,
): Promise<void> {
  await run(once(`BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE${readOnly ? ', READ ONLY' : ''}`));
  if (timeout !== undefined) await run(once(`SET LOCAL statement_timeout = ${timeout}`));
  if (idle !== undefined) await run(once(`SET LOCAL idle_in_transaction_session_timeout = ${idle}`));
}

function once(text: string): Statement {
  return { text, repeatable: false };
}
