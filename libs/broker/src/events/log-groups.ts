import type { Statement } from 'better-sqlite3';
import type { DeadLetter, Event, GroupInfo, Retention } from './events.js';
import { isStrict, type Lease, type Nothing, type Settlement, unsettledReason } from './ledger.js';
import type { LogFile } from './log-file.js';
import { type EventRow, type LogStreams, type StreamRow, toEvent } from './log-streams.js';
import type { Terms } from './validation.js';

export interface GroupRow {
  readonly id: number;
  readonly stream: number;
  readonly name: string;
  readonly cursor: number;
}

interface GivenRow {
  readonly grp: number;
  readonly offset: number;
  readonly due: number;
  readonly since: number;
  readonly token: number | null;
  readonly attempt: number;
  readonly back: number;
  readonly most: number;
  readonly reason: string | null;
  readonly replayed: 0 | 1;
}

interface DeadRow extends EventRow {
  readonly grp: string;
  readonly attempts: number;
  readonly reason: string;
  readonly died: number;
}

/** A group, and its stream as far as its name goes. */
export interface GroupKey {
  readonly id: number;
  readonly stream: Pick<StreamRow, 'id' | 'name'>;
}

/** Rows that are looked after in one transaction. */
const step = 500;

/**
 * The progress of groups in a file: statements, to be run in transactions where they write. Who has an event holds the token of its row, in
 * whichever process; times are those of the machine's clock, which all processes share.
 */
export class LogGroups {
  readonly #streams: LogStreams;
  readonly #retention: Retention;
  readonly #find: Statement<[number, string], GroupRow>;
  readonly #ofStream: Statement<[number], GroupRow>;
  readonly #add: Statement<[number, string, number]>;
  readonly #cursor: Statement<[number], number>;
  readonly #streamOf: Statement<[number], number>;
  readonly #advance: Statement<[number, number]>;
  readonly #due: Statement<[number], GivenRow>;
  readonly #head: Statement<[number], GivenRow>;
  readonly #give: Statement<
    [{ grp: number; offset: number; due: number; since: number; token: number; attempt: number; most: number }]
  >;
  readonly #giveAgain: Statement<[{ grp: number; offset: number; due: number; since: number }]>;
  readonly #lease: Statement<
    [{ grp: number; offset: number; due: number; since: number; token: number; attempt: number; most: number }]
  >;
  readonly #restamp: Statement<[{ grp: number; now: number }]>;
  readonly #held: Statement<[number, number, number], GivenRow>;
  readonly #wait: Statement<
    [{ grp: number; offset: number; due: number; since: number; back: number; reason: string | null }]
  >;
  readonly #extend: Statement<[number, number, number, number, number]>;
  readonly #settled: Statement<[number, number, number]>;
  readonly #forget: Statement<[number, number]>;
  readonly #over: Statement<[number, number], GivenRow>;
  readonly #pending: Statement<[number, number], number>;
  readonly #bury: Statement<[number, number, number, number, string, number, string, string, Uint8Array]>;
  readonly #buryAgain: Statement<[{ grp: number; offset: number; died: number; attempts: number; reason: string }]>;
  readonly #raise: Statement<[number, number]>;
  readonly #unbury: Statement<[number, number]>;
  readonly #replayed: Statement<[number, number], EventRow>;
  readonly #letters: Statement<[number, number], DeadRow>;
  readonly #deadOffsets: Statement<[number, number], number>;
  readonly #isDead: Statement<[number, number, number], number>;
  readonly #deadCount: Statement<[number, number], number>;
  readonly #expired: Statement<[number, number], { readonly grp: number; readonly offset: number }>;

  constructor(
    { db }: LogFile,
    { streams, retention }: { readonly streams: LogStreams; readonly retention: Retention },
  ) {
    this.#streams = streams;
    this.#retention = retention;
    this.#find = db.prepare('SELECT * FROM groups WHERE stream = ? AND name = ?');
    this.#ofStream = db.prepare('SELECT * FROM groups WHERE stream = ? ORDER BY name');
    this.#add = db.prepare('INSERT INTO groups (stream, name, cursor) VALUES (?, ?, ?)');
    this.#cursor = db.prepare<[number], number>('SELECT cursor FROM groups WHERE id = ?').pluck();
    this.#streamOf = db.prepare<[number], number>('SELECT stream FROM groups WHERE id = ?').pluck();
    this.#advance = db.prepare('UPDATE groups SET cursor = ? WHERE id = ?');
    this.#due = db.prepare('SELECT * FROM given WHERE grp = ? ORDER BY due, offset LIMIT 1');
    this.#head = db.prepare('SELECT * FROM given WHERE grp = ? ORDER BY offset LIMIT 1');
    this.#give = db.prepare(
      `INSERT INTO given (grp, offset, due, since, token, attempt, back, most, replayed)
       VALUES (@grp, @offset, @due, @since, @token, @attempt, 0, @most, 0)`,
    );
    this.#giveAgain = db.prepare(
      `INSERT INTO given (grp, offset, due, since, attempt, back, most, replayed) VALUES (@grp, @offset, @due, @since, 0, 0, 0, 1)`,
    );
    this.#lease = db.prepare(
      `UPDATE given SET due = @due, since = @since, token = @token, attempt = @attempt, most = @most
       WHERE grp = @grp AND offset = @offset`,
    );
    this.#restamp = db.prepare(
      'UPDATE given SET due = @now + (due - since), since = @now WHERE grp = @grp AND since > @now',
    );
    this.#held = db.prepare('SELECT * FROM given WHERE grp = ? AND offset = ? AND token = ?');
    this.#wait = db.prepare(
      `UPDATE given SET due = @due, since = @since, token = NULL, reason = @reason, back = @back WHERE grp = @grp AND offset = @offset`,
    );
    this.#extend = db.prepare('UPDATE given SET due = ?, since = ? WHERE grp = ? AND offset = ? AND token = ?');
    this.#settled = db.prepare('DELETE FROM given WHERE grp = ? AND offset = ? AND token = ?');
    this.#forget = db.prepare('DELETE FROM given WHERE grp = ? AND offset = ?');
    this.#over = db.prepare(
      `SELECT * FROM given WHERE due <= ? AND token IS NOT NULL AND attempt - back >= most LIMIT ?`,
    );
    this.#pending = db
      .prepare<[number, number], number>(
        'SELECT count(*) FROM given WHERE grp = ? AND (offset >= ? OR replayed = 1 OR token IS NOT NULL)',
      )
      .pluck();
    this.#bury = db.prepare(
      'REPLACE INTO dead (grp, offset, died, attempts, reason, at, id, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#buryAgain = db.prepare(
      'UPDATE dead SET died = @died, attempts = @attempts, reason = @reason WHERE grp = @grp AND offset = @offset',
    );
    this.#raise = db.prepare('UPDATE dead SET died = NULL WHERE grp = ? AND offset = ?');
    this.#unbury = db.prepare('DELETE FROM dead WHERE grp = ? AND offset = ?');
    this.#replayed = db.prepare('SELECT offset, at, id, headers, body FROM dead WHERE grp = ? AND offset = ?');
    this.#letters = db.prepare(
      `SELECT dead.offset, at, dead.id, headers, body, groups.name AS grp, attempts, reason, died
       FROM dead JOIN groups ON groups.id = dead.grp WHERE groups.stream = ? AND died >= ? ORDER BY dead.offset, groups.name`,
    );
    this.#deadOffsets = db
      .prepare<[number, number], number>('SELECT offset FROM dead WHERE grp = ? AND died >= ?')
      .pluck();
    this.#isDead = db
      .prepare<[number, number, number], number>('SELECT 1 FROM dead WHERE grp = ? AND offset = ? AND died >= ?')
      .pluck();
    this.#deadCount = db
      .prepare<[number, number], number>('SELECT count(*) FROM dead WHERE grp = ? AND died >= ?')
      .pluck();
    this.#expired = db.prepare('SELECT grp, offset FROM dead WHERE died < ? LIMIT ?');
  }

  find(stream: Pick<StreamRow, 'id'>, name: string): GroupRow | undefined {
    return this.#find.get(stream.id, name);
  }

  findOrAdd(stream: StreamRow, name: string, cursor: () => number): GroupRow {
    const found = this.find(stream, name);
    if (found) return found;
    this.#add.run(stream.id, name, cursor());
    return this.find(stream, name) as GroupRow;
  }

  /** What can be told without writing: that there is nothing to give out, and how long. Undefined: there is something to do. */
  nothing(group: GroupKey, terms: Terms): Nothing | undefined {
    const now = Date.now();
    const row = isStrict(terms) ? this.#head.get(group.id) : this.#due.get(group.id);
    if (row && (row.due <= now || row.since > now)) return undefined;
    if (row && isStrict(terms)) return { wait: row.due - now };
    if (this.#fresh(group)) return undefined;
    return { wait: row && row.due - now };
  }

  claim(group: GroupKey, terms: Terms): Lease | Nothing {
    for (;;) {
      const now = Date.now();
      const row = isStrict(terms) ? this.#head.get(group.id) : this.#due.get(group.id);
      if (row && row.since > now) {
        // The clock was set back: what was to last so long lasts so long from now on.
        this.#restamp.run({ grp: group.id, now });
        continue;
      }
      if (row && row.due <= now) {
        const lease = this.#leaseAgain(group, row, terms);
        if (lease) return lease;
        continue;
      }
      const fresh = row && isStrict(terms) ? undefined : this.#fresh(group);
      if (!fresh) return { wait: row && row.due - now };
      this.#advance.run(fresh.offset + 1, group.id);
      const token = newToken();
      const { ackWait, maxDeliveries: most } = terms;
      this.#give.run({ grp: group.id, offset: fresh.offset, due: now + ackWait, since: now, token, attempt: 1, most });
      return { event: toEvent(group.stream.name, fresh), attempt: 1, token, replayed: false };
    }
  }

  /** False if another may have it. */
  settle(group: GroupKey, lease: Lease, settlement: Settlement): boolean {
    const [offset, now] = [Number(lease.event.offset), Date.now()];
    if (settlement.outcome === 'ack') {
      const isDone = this.#settled.run(group.id, offset, lease.token).changes > 0;
      if (isDone && lease.replayed) this.#unbury.run(group.id, offset);
      return isDone;
    }
    if (settlement.outcome === 'extend')
      return this.#extend.run(now + settlement.ackWait, now, group.id, offset, lease.token).changes > 0;
    const row = this.#held.get(group.id, offset, lease.token);
    if (!row) return false;
    if (settlement.outcome === 'reject') this.#die(row, settlement.reason, lease.event);
    else this.#giveUp({ ...row, reason: settlement.reason }, now + settlement.delay, lease.event);
    return true;
  }

  release(group: GroupKey, leases: readonly Lease[]): void {
    for (const { event, token } of leases) {
      const row = this.#held.get(group.id, Number(event.offset), token);
      if (row) this.#again({ ...row, back: row.back + 1 }, Date.now());
    }
  }

  /** Whether there are events that were given out for the last time, and not settled. */
  hasOver(): boolean {
    return this.#over.get(Date.now(), 1) !== undefined;
  }

  /** Makes them dead letters; whether there are more. */
  buryOver(): boolean {
    const rows = this.#over.all(Date.now(), step);
    for (const row of rows) this.#die(row, row.reason ?? unsettledReason);
    return rows.length === step;
  }

  hasExpired(): boolean {
    return this.#expired.get(this.#since(), 1) !== undefined;
  }

  /** Forgets some dead letters whose time is over; whether there are more. */
  forgetExpired(): boolean {
    const rows = this.#expired.all(this.#since(), step);
    for (const { grp, offset } of rows) this.#unbury.run(grp, offset);
    return rows.length === step;
  }

  infos(stream: StreamRow): GroupInfo[] {
    return this.#ofStream.all(stream.id).map(({ id, name, cursor }) => ({
      group: name,
      pending: Math.max(0, stream.next - Math.max(cursor, stream.oldest)) + (this.#pending.get(id, stream.oldest) ?? 0),
      deadLetters: this.#deadCount.get(id, this.#since()) ?? 0,
    }));
  }

  deadLetters(stream: StreamRow, group: string | undefined): DeadLetter[] {
    return this.#letters
      .all(stream.id, this.#since())
      .filter(({ grp }) => group === undefined || grp === group)
      .map((row) => ({
        event: toEvent(stream.name, row),
        group: row.grp,
        attempts: row.attempts,
        reason: row.reason,
        diedAt: row.died,
      }));
  }

  /** Takes dead letters out, and gives them out again if told so. */
  take(group: GroupRow, offsets: readonly bigint[] | undefined, { replay }: { readonly replay: boolean }): number {
    const since = this.#since();
    const wanted = offsets === undefined ? this.#deadOffsets.all(group.id, since) : [...new Set(offsets.map(Number))];
    const found = wanted.filter((offset) => this.#isDead.get(group.id, offset, since) !== undefined);
    const now = Date.now();
    for (const offset of found) {
      if (!replay) this.#unbury.run(group.id, offset);
      else {
        this.#raise.run(group.id, offset);
        this.#giveAgain.run({ grp: group.id, offset, due: now, since: now });
      }
    }
    return found.length;
  }

  /** Dead letters are those that died then or later. */
  #since(): number {
    return Date.now() - this.#retention.age;
  }

  #fresh({ id, stream }: GroupKey): EventRow | undefined {
    const cursor = this.#cursor.get(id);
    return cursor === undefined ? undefined : this.#streams.first(stream, cursor);
  }

  /** Undefined if it is not to be given out any more. */
  #leaseAgain(group: GroupKey, row: GivenRow, { ackWait, maxDeliveries: most }: Terms): Lease | undefined {
    if (row.token !== null && row.attempt - row.back >= row.most) {
      this.#die(row, row.reason ?? unsettledReason);
      return undefined;
    }
    const event = row.replayed
      ? this.#replayed.get(row.grp, row.offset)
      : this.#streams.first(group.stream, row.offset);
    if (event?.offset !== row.offset) {
      // Removed by retention.
      this.#forget.run(row.grp, row.offset);
      return undefined;
    }
    const [now, token, attempt] = [Date.now(), newToken(), row.attempt + 1];
    this.#lease.run({ grp: row.grp, offset: row.offset, due: now + ackWait, since: now, token, attempt, most });
    return { event: toEvent(group.stream.name, event), attempt, token, replayed: row.replayed === 1 };
  }

  #giveUp(row: GivenRow, due: number, event: Event): void {
    if (row.attempt - row.back >= row.most) return this.#die(row, row.reason ?? unsettledReason, event);
    this.#again(row, due);
  }

  #again({ grp, offset, back, reason }: GivenRow, due: number): void {
    this.#wait.run({ grp, offset, due, since: Date.now(), back, reason });
  }

  /** `event`: where the stream may not have it any more. */
  #die(row: GivenRow, reason: string, event?: Event): void {
    const { grp, offset, attempt: attempts } = row;
    this.#forget.run(grp, offset);
    const died = Date.now();
    if (row.replayed) {
      this.#buryAgain.run({ grp, offset, died, attempts, reason });
      return;
    }
    // Its holder may have changed what it has in hands.
    const kept = this.#kept(row) ?? (event && rowOf(event));
    if (kept) this.#bury.run(grp, offset, died, attempts, reason, kept.at, kept.id, kept.headers, kept.body);
  }

  #kept({ grp, offset }: GivenRow): EventRow | undefined {
    const stream = this.#streamOf.get(grp);
    const found = stream === undefined ? undefined : this.#streams.first({ id: stream }, offset);
    return found?.offset === offset ? found : undefined;
  }
}

function rowOf({ offset, publishedAt, id, headers, body }: Event) {
  return { offset: Number(offset), at: publishedAt, id, headers: JSON.stringify(headers), body };
}

/** Guessed by nobody, and never twice. */
function newToken(): number {
  return Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
}
