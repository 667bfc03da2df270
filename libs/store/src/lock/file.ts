import { join } from 'node:path';
import type Sqlite from 'better-sqlite3';
import { FileCommits } from '../file-commits.js';
import { openFile, type Tables, translated } from '../file-schema.js';
import { Holding } from './holding.js';
import { type AcquireOptions, type Grant, type LeaseOptions, type Lock, type LockPlace, Locks } from './locks.js';
import { checkedClaim, checkedId, checkedLock, checkedTtl, type Claim, type Lockable, lost } from './validation.js';
import { type Look, lookMs, placeMs, Waiting } from './waiting.js';

/** Milliseconds between two looks of the one whose turn is next: another process cannot tell it. */
const nextMs = 50;

/**
 * `counter` is never reset, so that no token comes twice. Names are blobs: SQLite compares those byte by byte, and text only up to a NUL. Times are
 * milliseconds of the machine's clock since it started, which nobody sets and all processes share; `granted` and `asked` tell what was before the
 * machine's last start: they are later than now.
 */
const tables: Tables = {
  // "MiLo"
  application: 0x4d694c6f,
  version: 1,
  sql: `
  CREATE TABLE counter (token INTEGER NOT NULL);
  INSERT INTO counter VALUES (0);
  CREATE TABLE locks (place TEXT NOT NULL, name BLOB NOT NULL, id TEXT NOT NULL, token INTEGER NOT NULL, granted INTEGER NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (place, name)) WITHOUT ROWID;
  CREATE TABLE queue (ticket INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, name BLOB NOT NULL, id TEXT NOT NULL, asked INTEGER NOT NULL, UNIQUE (place, name, id));
  CREATE INDEX locks_expires ON locks (expires);
  CREATE INDEX queue_asked ON queue (asked);
`,
};

interface Holder {
  readonly id: string;
  readonly token: bigint;
  readonly expires: bigint;
}

interface Waiter {
  readonly id: string;
  readonly asked: bigint;
}

/** Locks in a file, for every process of the machine. A process that dies leaves nothing but its ttl behind. */
export class FileLocks extends Locks {
  readonly #path: string;
  readonly #waiting = new Waiting();
  readonly #holding = new Holding(this);
  #file: LockFile | undefined;

  constructor(folder: string) {
    super();
    this.#path = join(folder, 'locks.db');
  }

  override acquire(name: string, options?: AcquireOptions): Promise<Lock> {
    return this.#holding.acquire(name, options);
  }

  override async take(name: string, id: string, options?: AcquireOptions): Promise<Grant> {
    const claim = checkedClaim(name, id, options);
    return this.#waiting.take(claim, (left) => this.#open().look(claim, left > 0));
  }

  override async renew(name: string, id: string, options?: LeaseOptions): Promise<void> {
    this.#waiting.check();
    const lock = checkedLock(name, options);
    if (!(await this.#open().renew(lock, checkedId(id), checkedTtl(options))))
      throw lost(lock, 'somebody else may have it');
  }

  override async release(name: string, id: string, options?: LockPlace): Promise<void> {
    this.#waiting.check();
    const lock = checkedLock(name, options);
    await this.#open().release(lock, checkedId(id));
    this.#waiting.freed(lock.key);
  }

  override async close(): Promise<void> {
    await this.#holding.close();
    this.#waiting.close();
    await this.#file?.close();
    this.#file = undefined;
  }

  #open(): LockFile {
    this.#waiting.check();
    return (this.#file ??= new LockFile(this.#path));
  }
}

class LockFile {
  readonly #path: string;
  readonly #db: Sqlite.Database;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #commits: FileCommits;

  constructor(path: string) {
    this.#path = path;
    this.#db = openFile(path, tables);
    this.#statements = prepare(this.#db);
    this.#commits = new FileCommits(this.#db, path);
  }

  async look(claim: Claim, queue: boolean): Promise<Look> {
    return this.#glance(claim) ?? this.#commits.change(() => this.#take(claim, queue));
  }

  renew({ place, name }: Lockable, id: string, ttl: number): Promise<boolean> {
    const { renew } = this.#statements;
    return this.#commits.change(
      () => renew.run({ place, name: Buffer.from(name), id, ttl, now: sinceBoot() }).changes > 0,
    );
  }

  async release({ place, name }: Lockable, id: string): Promise<void> {
    const { free, leave } = this.#statements;
    const key = Buffer.from(name);
    await this.#commits.change(() => {
      free.run(place, key, id);
      leave.run(place, key, id);
    });
  }

  async close(): Promise<void> {
    await this.#commits.settled();
    this.#db.close();
  }

  /** What can be said without writing: it is somebody else's, and the place in the queue is good for a while yet. */
  #glance({ place, name, id }: Claim): Look | undefined {
    try {
      const now = sinceBoot();
      const key = Buffer.from(name);
      const holder = this.#statements.holder.get({ place, name: key, now }) as Holder | undefined;
      const queue = holder && holder.id !== id ? this.#queue(place, key, now) : [];
      const at = queue.findIndex((waiter) => waiter.id === id);
      if (!holder || at < 0 || now - Number(queue[at]?.asked) > placeMs / 2) return undefined;
      return { token: undefined, again: at === 0 ? Math.min(nextMs, Number(holder.expires) - now) : lookMs };
    } catch (error) {
      throw translated(error, this.#path);
    }
  }

  #take({ place, name, id, ttl }: Claim, queue: boolean): Look {
    const { holder: holding, grant, count, leave, ask, forget, sweepLocks, sweepQueue } = this.#statements;
    const now = sinceBoot();
    const key = Buffer.from(name);
    const holder = holding.get({ place, name: key, now }) as Holder | undefined;
    const first = this.#queue(place, key, now)[0];
    if (holder ? holder.id === id : !first || first.id === id) {
      sweepLocks.run(now);
      sweepQueue.run(now - placeMs);
      const token = holder?.token ?? (count.get() as { token: bigint }).token;
      grant.run({ place, name: key, id, token, now, ttl });
      leave.run(place, key, id);
      return { token };
    }
    forget.run(place, key, now, now - placeMs);
    if (queue) ask.run({ place, name: key, id, now });
    return { token: undefined, again: first && first.id !== id ? lookMs : nextMs };
  }

  #queue(place: string, name: Buffer, now: number): readonly Waiter[] {
    return this.#statements.queue.all({ place, name, now, since: now - placeMs }) as Waiter[];
  }
}

function prepare(db: Sqlite.Database) {
  const exact = (sql: string) => db.prepare(sql).safeIntegers();
  return {
    holder: exact(
      'SELECT id, token, expires FROM locks WHERE place = :place AND name = :name AND granted <= :now AND expires > :now',
    ),
    queue: exact(
      'SELECT id, asked FROM queue WHERE place = :place AND name = :name AND asked <= :now AND asked > :since ORDER BY ticket',
    ),
    count: exact('UPDATE counter SET token = token + 1 RETURNING token'),
    grant: db.prepare(
      `INSERT INTO locks (place, name, id, token, granted, expires) VALUES (:place, :name, :id, :token, :now, :now + :ttl)
       ON CONFLICT (place, name) DO UPDATE SET id = excluded.id, token = excluded.token, granted = excluded.granted, expires = excluded.expires`,
    ),
    renew: db.prepare(
      'UPDATE locks SET granted = :now, expires = :now + :ttl WHERE place = :place AND name = :name AND id = :id AND granted <= :now AND expires > :now',
    ),
    free: db.prepare('DELETE FROM locks WHERE place = ? AND name = ? AND id = ?'),
    ask: db.prepare(
      `INSERT INTO queue (place, name, id, asked) VALUES (:place, :name, :id, :now)
       ON CONFLICT (place, name, id) DO UPDATE SET asked = excluded.asked`,
    ),
    leave: db.prepare('DELETE FROM queue WHERE place = ? AND name = ? AND id = ?'),
    sweepLocks: db.prepare('DELETE FROM locks WHERE expires <= ?'),
    sweepQueue: db.prepare('DELETE FROM queue WHERE asked <= ?'),
    forget: db.prepare('DELETE FROM queue WHERE place = ? AND name = ? AND (asked > ? OR asked <= ?)'),
  };
}

/** Milliseconds since the machine started. */
function sinceBoot(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
