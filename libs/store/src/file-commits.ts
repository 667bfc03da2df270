import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type Sqlite from 'better-sqlite3';
import { isBusy, translated } from './file-schema.js';

/** Milliseconds for which other processes are waited for. */
const patienceMs = 5_000;
/** At most, between two looks whether the file is free. */
const mostWaitMs = 4;
/**
 * Who writes all the time leaves the file free for some microseconds between two commits, in which nobody else looks. So that others have their
 * turn it pauses after so long, for longer than they wait between two looks.
 */
const streakMs = 200;
const pauseMs = 8;

/** Work for the next commit. */
interface Job {
  readonly run: () => unknown;
  readonly done: (result: unknown) => void;
  readonly failed: (error: unknown) => void;
}

/** Changes of a database file, made one after the other: what comes together is committed together. */
export class FileCommits {
  readonly #db: Sqlite.Database;
  readonly #path: string;
  readonly #committed: () => void;
  #jobs: Job[] = [];
  #committing: Promise<void> | undefined;
  /** When the file was last left free for as long as others need. */
  #freeAt = performance.now();
  #committedAt = 0;

  /** `committed` is told of each commit, and of each that failed; it must not throw. */
  constructor(db: Sqlite.Database, path: string, committed: () => void = () => undefined) {
    this.#db = db;
    this.#path = path;
    this.#committed = committed;
  }

  /** Makes a change within a transaction, and returns when it is on the disk. A MicroError that it throws is its own failure alone. */
  change<T>(run: () => T): Promise<T> {
    return new Promise((done, failed) => {
      this.#jobs.push({ run, done: done as (result: unknown) => void, failed });
      this.#committing ??= this.#commit();
    });
  }

  /** When all that has come is committed. */
  async settled(): Promise<void> {
    await this.#committing;
  }

  /** Commits what has come until there is nothing left. */
  async #commit(): Promise<void> {
    // With whatever else is written in this turn.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#jobs.length > 0) {
      const jobs = this.#jobs;
      this.#jobs = [];
      try {
        await this.#leaveToOthers();
        await this.#begin();
        const results = jobs.map((job) => attempt(job));
        this.#db.exec('COMMIT');
        jobs.forEach((job, index) => settle(job, results[index] as Outcome));
      } catch (error) {
        this.#rollBack();
        for (const job of jobs) job.failed(translated(error, this.#path));
      }
      this.#committedAt = performance.now();
      this.#committed();
    }
    // At once: what comes next, and be it a microtask later, has to begin anew.
    this.#committing = undefined;
  }

  /** Where the disk refuses that, too, the transaction stays open: the next one cannot begin, fails, and comes here again. */
  #rollBack(): void {
    try {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
    } catch {
      // Whoever made a change is told of what came first.
    }
  }

  async #leaveToOthers(): Promise<void> {
    const now = performance.now();
    if (now - this.#committedAt > pauseMs) this.#freeAt = now;
    if (now - this.#freeAt < streakMs) return;
    await sleep(pauseMs);
    this.#freeAt = performance.now();
  }

  async #begin(): Promise<void> {
    const end = performance.now() + patienceMs;
    for (let wait = 1; ; wait = Math.min(wait * 2, mostWaitMs)) {
      try {
        return void this.#db.exec('BEGIN IMMEDIATE');
      } catch (error) {
        if (!isBusy(error) || performance.now() > end) throw error;
        await sleep(wait * (0.5 + Math.random()));
      }
    }
  }
}

type Outcome = { readonly result: unknown } | { readonly error: unknown };

/** A condition that does not hold is that change's alone; anything else is the end of the whole transaction. */
function attempt(job: Job): Outcome {
  try {
    return { result: job.run() };
  } catch (error) {
    if (error instanceof MicroError) return { error };
    throw error;
  }
}

function settle(job: Job, outcome: Outcome): void {
  if ('error' in outcome) job.failed(outcome.error);
  else job.done(outcome.result);
}
