import { existsSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import SQLite, { type Database, type Statement } from 'better-sqlite3';
import { explained, isBusy } from './log-errors.js';
import { prepare } from './log-schema.js';
import { closed } from './validation.js';

interface Job {
  run(): unknown;
  /** Whether it is to outlive a power cut. */
  readonly durable: boolean;
  /** When it has waited long enough for other processes. */
  readonly end: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Milliseconds that SQLite itself waits for another process, with the whole of this one. */
const busyTimeout = 15;
/** Milliseconds in which another process must have let one of this write. */
const patience = 5_000;

/**
 * A SQLite file that several processes read and write (sqlite.org/wal.html). What is written in one turn of the event loop is one transaction,
 * for which the disk is waited for once.
 */
export class LogFile {
  readonly path: string;
  readonly db: Database;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #version: Statement<[], number>;
  readonly #jobs: Job[] = [];
  #flushing = false;
  #drained: (() => void) | undefined;
  #isDurable = true;
  #seen: number;
  #closed: Promise<void> | undefined;

  private constructor(path: string, db: Database) {
    this.path = path;
    this.db = db;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
    this.#version = db.prepare<[], number>('PRAGMA data_version').pluck();
    this.#seen = this.#version.get() ?? 0;
  }

  /** Creates the file, readable by its owner alone, where there is none. */
  static async open(path: string): Promise<LogFile> {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // Only one that is not there: closing a file takes all locks on it from this process, also those of a connection (POSIX).
      if (!existsSync(path)) await (await open(path, 'a', 0o600)).close();
      return await retried(() => {
        const db = new SQLite(path, { timeout: busyTimeout });
        try {
          db.pragma('journal_mode = WAL');
          db.pragma('synchronous = FULL');
          db.transaction(() => prepare(db, path)).immediate();
          return new LogFile(path, db);
        } catch (error) {
          db.close();
          throw error;
        }
      });
    } catch (error) {
      throw explained(error, path);
    }
  }

  /** Reads, which waits for nobody who writes. */
  async read<T>(work: () => T): Promise<T> {
    if (this.#closed) throw closed();
    try {
      return await retried(work);
    } catch (error) {
      throw explained(error, this.path);
    }
  }

  /** Writes, with whatever else is written in this turn; resolves when that is kept. `work` may run more than once, the last time counts. */
  write<T>(work: () => T, { durable }: { readonly durable: boolean }): Promise<T> {
    if (this.#closed) return Promise.reject(closed());
    return new Promise<T>((resolve, reject) => {
      const end = performance.now() + patience;
      this.#jobs.push({ run: work, durable, end, resolve: resolve as Job['resolve'], reject });
      this.#schedule(() => setImmediate(() => this.#flush()));
    });
  }

  /** Writes at once what need not outlive a power cut; later only where another process is writing. */
  writeNow<T>(work: () => T): T | Promise<T> {
    if (this.#closed) throw closed();
    try {
      return this.#transaction(work, { durable: false });
    } catch (error) {
      if (isBusy(error)) return this.write(work, { durable: false });
      throw explained(error, this.path);
    }
  }

  /** Whether another process has written since the last time this was asked. */
  changed(): boolean {
    if (this.#closed) return false;
    const seen = this.#version.get() ?? 0;
    const isNew = seen !== this.#seen;
    this.#seen = seen;
    return isNew;
  }

  /** Writes what waits. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#flushing) await new Promise<void>((resolve) => (this.#drained = resolve));
    this.db.close();
  }

  #schedule(later: () => void): void {
    if (this.#flushing) return;
    this.#flushing = true;
    later();
  }

  #flush(): void {
    const jobs = this.#jobs.splice(0);
    if (!this.#run(jobs)) {
      const now = performance.now();
      const busy = explained(Object.assign(new Error('it is busy'), { code: 'SQLITE_BUSY' }), this.path);
      for (const job of jobs) if (job.end <= now) job.reject(busy);
      this.#jobs.unshift(...jobs.filter(({ end }) => end > now));
    }
    this.#flushing = false;
    // What came while this ran, or is to be tried again: not at once, so that the other process gets on.
    const wait = 1 + Math.random() * 10;
    if (this.#jobs.length > 0) this.#schedule(() => setTimeout(() => this.#flush(), wait));
    else this.#drained?.();
  }

  /** False if another process is writing: nothing was done then. */
  #run(jobs: readonly Job[]): boolean {
    try {
      const durable = jobs.some((job) => job.durable);
      const results = this.#transaction(() => jobs.map((job) => job.run()), { durable });
      for (const [index, job] of jobs.entries()) job.resolve(results[index]);
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      const [first] = jobs;
      if (jobs.length === 1) first?.reject(explained(error, this.path));
      // One by one, so that only those fail that cannot be done.
      else for (const job of jobs) if (!this.#run([job])) this.#jobs.push(job);
      return true;
    }
  }

  #transaction<T>(work: () => T, { durable }: { readonly durable: boolean }): T {
    if (durable !== this.#isDurable) {
      this.db.pragma(durable ? 'synchronous = FULL' : 'synchronous = NORMAL');
      this.#isDurable = durable;
    }
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      // Some errors have ended it already.
      if (this.db.inTransaction) this.#rollback.run();
      throw error;
    }
  }
}

/** Tries again while another process is in the way, without holding up this one. */
async function retried<T>(work: () => T): Promise<T> {
  for (const end = performance.now() + patience; ;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
    }
    await sleep(1 + Math.random() * 20);
  }
}
