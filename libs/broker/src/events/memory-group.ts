import type { DeadLetter, Event, GroupInfo } from './events.js';
import { isStrict, type Ledger, type Lease, type Nothing, type Settlement, unsettledReason } from './ledger.js';
import { ownCopy } from './local-consumer.js';
import { DueQueue } from './memory-due.js';
import type { MemoryStream } from './memory-stream.js';
import type { Terms } from './validation.js';

/** An event that was given out and is not settled. */
interface Row {
  readonly offset: number;
  readonly event: Event;
  attempt: number;
  /** Attempts that ended with the consumer, which is nobody's failure. */
  back: number;
  /** Deliveries that whoever has or had it allows. */
  most: number;
  /** When it may be given out again, by this process's own clock. */
  due: number;
  /** Of whoever has it. */
  token: number | undefined;
  /** Of the last nack. */
  reason: string | undefined;
  /** A dead letter that is given out again: whether the stream still has it does not matter. */
  readonly replayed: boolean;
}

/** The progress of a group in the memory of its process: all before `cursor` was given out, and is settled unless there is a row for it. */
export class MemoryGroup implements Ledger {
  readonly name: string;
  readonly #stream: MemoryStream;
  readonly #wake: () => void;
  readonly #rows = new Map<number, Row>();
  readonly #due = new DueQueue<Row>((row) => this.#rows.get(row.offset) === row);
  readonly #dead = new Map<number, DeadLetter>();
  #cursor: number;
  #tokens = 0;

  constructor(
    stream: MemoryStream,
    options: { readonly name: string; readonly cursor: number; readonly wake: () => void },
  ) {
    this.#stream = stream;
    this.name = options.name;
    this.#cursor = options.cursor;
    this.#wake = options.wake;
  }

  claim(terms: Terms): Lease | Nothing {
    const now = performance.now();
    for (;;) {
      const row = isStrict(terms) ? this.#head() : this.#due.first();
      if (!row || (row.due > now && !isStrict(terms))) {
        const event = this.#stream.from(this.#cursor);
        if (!event) return { wait: row && row.due - now };
        const offset = Number(event.offset);
        this.#cursor = offset + 1;
        const fresh = {
          offset,
          event,
          attempt: 0,
          back: 0,
          most: 0,
          due: 0,
          token: undefined,
          reason: undefined,
          replayed: false,
        };
        this.#rows.set(offset, fresh);
        return this.#lease(fresh, terms, now);
      }
      if (row.due > now) return { wait: row.due - now };
      if (!this.#isOver(row)) return this.#lease(row, terms, now);
    }
  }

  async settle({ event, token }: Lease, settlement: Settlement): Promise<boolean> {
    const row = this.#rows.get(Number(event.offset));
    if (!row || row.token !== token) return false;
    switch (settlement.outcome) {
      case 'ack':
        this.#rows.delete(row.offset);
        break;
      case 'reject':
        this.#die(row, settlement.reason);
        break;
      case 'nack':
        row.reason = settlement.reason;
        this.#giveUp(row, performance.now() + settlement.delay);
        break;
      case 'extend':
        row.due = performance.now() + settlement.ackWait;
        this.#due.push(row);
        return true;
    }
    this.#wake();
    return true;
  }

  async release(leases: readonly Lease[]): Promise<void> {
    for (const { event, token } of leases) {
      const row = this.#rows.get(Number(event.offset));
      if (row?.token !== token) continue;
      row.back++;
      this.#again(row, performance.now());
    }
    this.#wake();
  }

  info(): GroupInfo {
    this.#sweep();
    const { oldest, next } = this.#stream;
    return {
      group: this.name,
      pending: Math.max(0, next - Math.max(this.#cursor, oldest)) + this.#rows.size,
      deadLetters: this.#dead.size,
    };
  }

  /** By offset. */
  deadLetters(): DeadLetter[] {
    this.#sweep();
    return [...this.#dead.values()].sort((one, other) => Number(one.event.offset - other.event.offset));
  }

  /** Takes dead letters out, and gives them out again if told so. */
  take(offsets: readonly bigint[] | undefined, { replay }: { readonly replay: boolean }): number {
    this.#sweep();
    let count = 0;
    for (const offset of new Set(offsets?.map(Number) ?? this.#dead.keys())) {
      const letter = this.#dead.get(offset);
      if (!letter) continue;
      this.#dead.delete(offset);
      count++;
      if (!replay) continue;
      const due = performance.now();
      const row = {
        offset,
        event: letter.event,
        attempt: 0,
        back: 0,
        most: 0,
        due,
        token: undefined,
        reason: undefined,
        replayed: true,
      };
      this.#rows.set(offset, row);
      this.#due.push(row);
    }
    if (replay && count > 0) this.#wake();
    return count;
  }

  /** Forgets dead letters whose time is over. */
  forget(diedBefore: number): void {
    for (const [offset, { diedAt }] of this.#dead) if (diedAt < diedBefore) this.#dead.delete(offset);
  }

  #lease(row: Row, { ackWait, maxDeliveries }: Terms, now: number): Lease {
    row.attempt++;
    row.most = maxDeliveries;
    row.token = ++this.#tokens;
    row.due = now + ackWait;
    this.#due.push(row);
    return { event: ownCopy(row.event), attempt: row.attempt, token: row.token, replayed: row.replayed };
  }

  /** The earliest event that is not settled. */
  #head(): Row | undefined {
    let head: Row | undefined;
    for (const row of this.#rows.values()) if (!head || row.offset < head.offset) head = row;
    return head;
  }

  /** Whether a row that is due is not to be given out again: removed by retention, or given out often enough. */
  #isOver(row: Row): boolean {
    if (row.token !== undefined && row.attempt - row.back >= row.most) this.#die(row, row.reason ?? unsettledReason);
    else if (row.offset < this.#stream.oldest && !row.replayed) this.#rows.delete(row.offset);
    else return false;
    return true;
  }

  #giveUp(row: Row, due: number): void {
    if (row.attempt - row.back >= row.most) return this.#die(row, row.reason ?? unsettledReason);
    this.#again(row, due);
  }

  #again(row: Row, due: number): void {
    row.token = undefined;
    row.due = due;
    this.#due.push(row);
  }

  #die(row: Row, reason: string): void {
    this.#rows.delete(row.offset);
    this.#dead.set(row.offset, {
      event: row.event,
      group: this.name,
      attempts: row.attempt,
      reason,
      diedAt: Date.now(),
    });
  }

  #sweep(): void {
    const now = performance.now();
    for (const row of this.#rows.values()) if (row.due <= now || row.token === undefined) this.#isOver(row);
  }
}
