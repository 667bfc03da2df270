import { type Lease, type Nothing, unsettledReason } from './ledger.js';
import { DueQueue } from './memory-due.js';

/** What a consumer asks of its group. */
export type Act =
  | { readonly do: 'join'; readonly cursor: number }
  /** The next event, of those that the stream is known to have. Times in milliseconds. */
  | {
      readonly do: 'claim';
      readonly ackWait: number;
      readonly most: number;
      readonly strict: boolean;
      readonly first: number;
      readonly last: number;
    }
  | { readonly do: 'ack' | 'gone'; readonly offset: number; readonly token: number }
  | {
      readonly do: 'nack';
      readonly offset: number;
      readonly token: number;
      readonly delay: number;
      readonly reason: string;
    }
  | { readonly do: 'reject'; readonly offset: number; readonly token: number; readonly reason: string }
  | { readonly do: 'extend'; readonly offset: number; readonly token: number; readonly ackWait: number }
  /** `unseen`: nobody has looked at it, so it was no attempt. */
  | { readonly do: 'release'; readonly offset: number; readonly token: number; readonly unseen?: true }
  | { readonly do: 'replay'; readonly offsets: readonly number[] }
  /** The chore of a row is done. */
  | { readonly do: 'done'; readonly offset: number; readonly token: number }
  /** Makes dead what was given out for the last time, and not settled. */
  | { readonly do: 'bury' }
  /** The stream has lost its end, in a power cut: up to `last` it is what it was, though `top` was given out. */
  | { readonly do: 'lost'; readonly last: number; readonly top: number };

export type Given = Omit<Lease, 'event'> & { readonly offset: number };

/** `true` or `false`: whether it had an effect. */
export type Outcome = Given | Nothing | boolean | readonly number[];

/** An event that was given out: in hands or waiting to be given out again; or one with which something is still to be done. */
export interface Row {
  readonly offset: number;
  attempt: number;
  /** Attempts that ended with the consumer, which is nobody's failure. */
  back: number;
  /** Deliveries that whoever has or had it allows. */
  most: number;
  /** When it may be given out again, by the group's clock. */
  due: number;
  /** Of whoever has it; 0 for nobody. */
  token: number;
  /** Of the last nack. */
  reason: string | undefined;
  /** A dead letter that is given out again. */
  readonly replayed: boolean;
  /** `dying`: its dead letter is to be written. `settled`: its dead letter is to be removed. */
  phase: 'live' | 'dying' | 'settled';
}

type PackedRow = [number, number, number, number, number, number, string | 0, 0 | 1, 0 | 1 | 2];
/** A state as it is kept. */
export interface Packed {
  readonly cursor: number;
  readonly top: number;
  readonly topAt: number;
  readonly now: number;
  readonly tokens: number;
  readonly rows: readonly PackedRow[];
}

/** Rows beyond which nothing new, and no dead letter, is given out before some are settled: a state is to fit a message. */
export const mostRows = 10_000;
const mostRaised = 12_000;
/** Bytes of reasons of all rows; what comes beyond that is cut short. */
const reasonBytes = 100_000;
const shortReasonBytes = 22;
const phases = ['live', 'dying', 'settled'] as const;

/**
 * The progress of a group, which whoever takes part works out from the group's journal: the same acts in the same order lead to the same state,
 * whoever applies them. All before `cursor` was given out, and is settled unless there is a row for it. Its clock is that of the acts,
 * and never goes back.
 */
export class GroupState {
  readonly #rows = new Map<number, Row>();
  readonly #due = new DueQueue<Row>((row) => row.phase === 'live' && this.#rows.get(row.offset) === row);
  /** Rows that are not `live`. */
  readonly #chores = new Map<number, Row>();
  #reasons = 0;
  #cursor = 0;
  #top = 0;
  #topAt = 0;
  #now = 0;
  #tokens = 0;

  static unpacked({ cursor, top, topAt, now, tokens, rows }: Packed): GroupState {
    const state = new GroupState();
    [state.#cursor, state.#now, state.#tokens] = [cursor, now, tokens];
    [state.#top, state.#topAt] = [top, topAt];
    for (const [offset, attempt, back, most, due, token, reason, replayed, phase] of rows) {
      const row: Row = {
        offset,
        attempt,
        back,
        most,
        due,
        token,
        reason: reason === 0 ? undefined : reason,
        replayed: replayed === 1,
        phase: phases[phase],
      };
      state.#keep(row);
    }
    return state;
  }

  packed(): Packed {
    const rows = [...this.#rows.values()].map(
      ({ offset, attempt, back, most, due, token, reason, replayed, phase }): PackedRow => [
        offset,
        attempt,
        back,
        most,
        due,
        token,
        reason ?? 0,
        replayed ? 1 : 0,
        phases.indexOf(phase) as 0 | 1 | 2,
      ],
    );
    const [cursor, top, topAt] = [this.#cursor, this.#top, this.#topAt];
    return { cursor, top, topAt, now: this.#now, tokens: this.#tokens, rows };
  }

  /** 0: nobody has joined yet. */
  get cursor(): number {
    return this.#cursor;
  }

  /** The last event that was given out for the first time; 0 for none. */
  get top(): number {
    return this.#top;
  }

  /** When that was. */
  get topAt(): number {
    return this.#topAt;
  }

  get now(): number {
    return this.#now;
  }

  get chores(): readonly Row[] {
    return [...this.#chores.values()];
  }

  rowOf(offset: number): Row | undefined {
    return this.#rows.get(offset);
  }

  /** Offsets of dead letters that are given out again, or were and are to be removed. */
  get raised(): readonly number[] {
    return [...this.#rows.values()]
      .filter(({ replayed, phase }) => replayed && phase !== 'dying')
      .map(({ offset }) => offset);
  }

  /** Events that are neither settled nor dead, of a stream that holds those from `first` to `last`. */
  pending({ first, last }: { readonly first: number; readonly last: number }): number {
    let given = 0;
    for (const { phase, offset, replayed, token } of this.#rows.values())
      if (phase === 'live' && (offset >= first || replayed || token !== 0)) given++;
    return Math.max(0, last + 1 - Math.max(this.#cursor, first)) + given;
  }

  /** Whether `bury` would have an effect at a time. */
  hasOver(now: number): boolean {
    for (const row of this.#rows.values()) if (isOver(row, now)) return true;
    return false;
  }

  /** What can be told without asking: that there is nothing to give out, and how long. Undefined: there may be something. */
  nothing({
    strict,
    last,
    now,
  }: {
    readonly strict: boolean;
    readonly last: number;
    readonly now: number;
  }): Nothing | undefined {
    const row = strict ? this.#head() : this.#due.first();
    if (row && row.due <= now) return undefined;
    const hasFresh = this.#cursor <= last && this.#rows.size < mostRows && !(row && strict);
    return hasFresh ? undefined : { wait: row && row.due - now };
  }

  /** What comes of each act. `at`: by the clock of who asks, which counts unless it is behind. */
  apply(acts: readonly Act[], at: number): Outcome[] {
    this.#now = Math.max(this.#now, at);
    return acts.map((act) => this.#apply(act));
  }

  #apply(act: Act): Outcome {
    switch (act.do) {
      case 'join':
        if (this.#cursor === 0) this.#cursor = Math.max(1, act.cursor);
        return true;
      case 'claim':
        return this.#claim(act);
      case 'replay':
        return act.offsets.filter((offset) => this.#replay(offset));
      case 'bury':
        for (const row of this.#rows.values())
          if (isOver(row, this.#now)) this.#die(row, row.reason ?? unsettledReason);
        return true;
      case 'done':
        return this.#chores.get(act.offset)?.token === act.token && this.#forget(act.offset);
      case 'lost':
        return this.#lose(act);
      default:
        return this.#settle(act);
    }
  }

  #claim({ ackWait, most, strict, first, last }: Act & { readonly do: 'claim' }): Given | Nothing {
    for (;;) {
      const row = strict ? this.#head() : this.#due.first();
      if (!row || row.due > this.#now) {
        const offset = Math.max(this.#cursor, first);
        // Where the group begins, who joins it says.
        if ((row && strict) || this.#cursor === 0 || offset > last || this.#rows.size >= mostRows)
          return { wait: row && row.due - this.#now };
        [this.#cursor, this.#top, this.#topAt] = [offset + 1, offset, this.#now];
        const fresh: Row = {
          offset,
          attempt: 0,
          back: 0,
          most,
          due: 0,
          token: 0,
          reason: undefined,
          replayed: false,
          phase: 'live',
        };
        this.#keep(fresh);
        return this.#lease(fresh, { ackWait, most });
      }
      if (isOver(row, this.#now)) this.#die(row, row.reason ?? unsettledReason);
      // Removed by retention.
      else if (row.offset < first && !row.replayed) this.#forget(row.offset);
      else return this.#lease(row, { ackWait, most });
    }
  }

  #lease(row: Row, { ackWait, most }: { readonly ackWait: number; readonly most: number }): Given {
    row.attempt++;
    row.most = most;
    row.token = ++this.#tokens;
    this.#dueAt(row, this.#now + ackWait);
    return { offset: row.offset, attempt: row.attempt, token: row.token, replayed: row.replayed };
  }

  #settle(act: Extract<Act, { readonly token: number }>): boolean {
    const row = this.#rows.get(act.offset);
    if (!row || row.phase !== 'live' || row.token !== act.token) return false;
    switch (act.do) {
      case 'ack':
        if (row.replayed) this.#chore(row, 'settled');
        else this.#forget(row.offset);
        break;
      case 'gone':
        this.#forget(row.offset);
        break;
      case 'extend':
        this.#dueAt(row, this.#now + act.ackWait);
        break;
      case 'reject':
        this.#die(row, act.reason);
        break;
      case 'nack':
        this.#because(row, act.reason);
        if (row.attempt - row.back >= row.most) this.#die(row, act.reason);
        else this.#again(row, act.delay);
        break;
      case 'release':
        if (act.unseen) row.attempt--;
        else row.back++;
        this.#again(row, 0);
        break;
    }
    return true;
  }

  #replay(offset: number): boolean {
    if (this.#rows.has(offset) || this.#rows.size >= mostRaised) return false;
    this.#keep({
      offset,
      attempt: 0,
      back: 0,
      most: 0,
      due: this.#now,
      token: 0,
      reason: undefined,
      replayed: true,
      phase: 'live',
    });
    return true;
  }

  #lose({ last, top }: Act & { readonly do: 'lost' }): boolean {
    if (this.#top !== top || last >= top) return false;
    [this.#cursor, this.#top] = [last + 1, last];
    for (const { offset, replayed, phase } of this.#rows.values())
      if (offset > last && !replayed && phase === 'live') this.#forget(offset);
    return true;
  }

  /** The earliest event that is not settled. */
  #head(): Row | undefined {
    let head: Row | undefined;
    for (const row of this.#rows.values()) if (row.phase === 'live' && (!head || row.offset < head.offset)) head = row;
    return head;
  }

  #again(row: Row, delay: number): void {
    row.token = 0;
    this.#dueAt(row, this.#now + delay);
  }

  #dueAt(row: Row, due: number): void {
    row.due = due;
    this.#due.push(row);
  }

  #die(row: Row, reason: string): void {
    this.#because(row, reason);
    row.due = this.#now;
    this.#chore(row, 'dying');
  }

  /** The token of a chore is its own: who had the event has nothing more to say. */
  #chore(row: Row, phase: 'dying' | 'settled'): void {
    row.phase = phase;
    row.token = ++this.#tokens;
    this.#chores.set(row.offset, row);
  }

  #because(row: Row, reason: string): void {
    this.#reasons -= bytesOf(row.reason);
    const isLong = this.#reasons + bytesOf(reason) > reasonBytes;
    row.reason = isLong ? cut(reason) : reason;
    this.#reasons += bytesOf(row.reason);
  }

  #keep(row: Row): void {
    this.#rows.set(row.offset, row);
    this.#reasons += bytesOf(row.reason);
    if (row.phase === 'live') this.#due.push(row);
    else this.#chores.set(row.offset, row);
  }

  #forget(offset: number): boolean {
    this.#reasons -= bytesOf(this.#rows.get(offset)?.reason);
    this.#chores.delete(offset);
    return this.#rows.delete(offset);
  }
}

/** Whether a row was given out for the last time, and its time is over. */
function isOver({ phase, token, due, attempt, back, most }: Row, now: number): boolean {
  return phase === 'live' && token !== 0 && due <= now && attempt - back >= most;
}

function cut(reason: string): string {
  let short = reason.slice(0, shortReasonBytes - 2);
  while (bytesOf(short) > shortReasonBytes) short = short.slice(0, -1);
  return short;
}

function bytesOf(reason: string | undefined): number {
  return reason === undefined ? 0 : Buffer.byteLength(JSON.stringify(reason));
}
