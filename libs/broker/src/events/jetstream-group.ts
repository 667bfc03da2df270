import { randomUUID } from 'node:crypto';
import { MicroError } from '@micro/errors';
import type { Event, GroupInfo, Position } from './events.js';
import type { JetstreamDead } from './jetstream-dead.js';
import type { ServerClock } from './jetstream-entries.js';
import type { Act, Given, Outcome, Row } from './jetstream-group-state.js';
import { GroupJournal, type Mine } from './jetstream-journal.js';
import { groupPlace } from './jetstream-names.js';
import type { JetstreamServer } from './jetstream-server.js';
import type { JetstreamStream } from './jetstream-stream.js';
import { Unclaimed } from './jetstream-unclaimed.js';
import { isStrict, type Ledger, type Lease, type Nothing, type Settlement } from './ledger.js';
import type { Terms } from './validation.js';

export interface GroupOptions {
  readonly namespace: string;
  readonly name: string;
  readonly stream: JetstreamStream;
  readonly dead: JetstreamDead;
  readonly clock: ServerClock;
  /** Told that there may be something to give out. */
  readonly wake: () => void;
}

/** Dead letters that are given out again at once. */
const replayBatch = 500;
/** Events read ahead of those that are given out. */
const ahead = 100;
/** Milliseconds after which giving out is tried again, when JetStream was not there. */
const awayWait = 250;
/** Milliseconds by which clocks of servers may differ. */
const clockError = 1_000;
/** Of settlements that were kept though nobody was told in time, how many are remembered. */
const mostLate = 10_000;

/** A group, as one who takes part, or only looks, sees it. */
export class JetstreamGroup implements Ledger {
  readonly name: string;
  readonly #stream: JetstreamStream;
  readonly #dead: JetstreamDead;
  readonly #server: JetstreamServer;
  readonly #journal: GroupJournal;
  /** Chores under way here, by offset and token. */
  readonly #doing = new Map<string, Promise<void>>();
  /** Events that are being settled here, by offset. */
  readonly #held = new Map<number, Event>();
  /** How tokens were settled, where that was kept after its caller had been told that it may not be. */
  readonly #late = new Map<number, Act['do']>();
  /** Who has claimed, and what was given to nobody. */
  readonly #claims = new WeakMap<Act, Terms>();
  readonly #unclaimed = new Unclaimed(({ offset, token }) => {
    this.#journal.append({ do: 'release', offset, token, unseen: true }).catch(() => undefined);
  });
  /** Where the group begins, for who takes part. */
  #from: Position | undefined;
  #ahead = new Map<number, Event>();
  /** Of the events that were given out for the first time, the last that was here: when that was, and when it was published. */
  #newest: { readonly offset: number; readonly at: number; readonly publishedAt: number } | undefined;
  #interruptions = 1;
  /** As many of them were looked into. */
  #checked = 0;
  #checking: Promise<void> | undefined;

  constructor(server: JetstreamServer, { namespace, name, stream, dead, clock, wake }: GroupOptions) {
    this.name = name;
    this.#stream = stream;
    this.#dead = dead;
    this.#server = server;
    const changed = (mine: readonly Mine[]) => {
      this.#changed(mine);
      wake();
    };
    this.#journal = new GroupJournal(server, { place: groupPlace(namespace, stream.name, name), clock, changed });
  }

  /** Takes part, beginning at `from` where the group is new. */
  async join(from: Position): Promise<void> {
    await this.#journal.listen();
    await this.#journal.setClock();
    this.#from = from;
    await this.refresh();
    // What somebody left undone.
    for (const row of this.#journal.state.chores) void this.#do(row).catch(() => undefined);
  }

  /** JetStream was away: before anything is given out, it is to be seen what it has kept. */
  interrupt(): void {
    this.#interruptions++;
    this.#journal.interrupt();
  }

  /** Learns what others have done. */
  async refresh(): Promise<void> {
    await this.#journal.catchUp();
    if (this.#from !== undefined && this.#isNew)
      await this.#journal.append({ do: 'join', cursor: await this.#stream.offsetOf(this.#from) });
    // Again, where it was away once more meanwhile.
    while (this.#checked < this.#interruptions)
      await (this.#checking ??= this.#check().finally(() => (this.#checking = undefined)));
  }

  leave(): void {
    this.#journal.close();
  }

  async claim(terms: Terms): Promise<Lease | Nothing> {
    try {
      if (this.#checked < this.#interruptions || this.#isNew) await this.refresh();
      return await this.#claim(terms);
    } catch (error) {
      // It is waited for, by whoever waits for events.
      if (MicroError.from(error).code === 'unavailable') return { wait: awayWait };
      throw error;
    }
  }

  async settle({ event, token }: Lease, settlement: Settlement): Promise<boolean> {
    const offset = Number(event.offset);
    const { outcome, ...rest } = settlement;
    this.#held.set(offset, event);
    try {
      const isDone = await this.#journal.append({ do: outcome, offset, token, ...rest } as Act);
      const row = this.#journal.state.rowOf(offset);
      // What it comes to is left to others if it fails.
      if (isDone === true && row && row.phase !== 'live') await this.#do(row).catch(() => undefined);
      return isDone === true || this.#late.get(token) === outcome;
    } finally {
      // Who had it before may be told only now that it is too late.
      if (this.#held.get(offset) === event) this.#held.delete(offset);
    }
  }

  /** What cannot be given back now is given out again when its time is over. */
  async release(leases: readonly Lease[]): Promise<void> {
    const released = leases.map(({ event, token }) =>
      this.#journal.append({ do: 'release', offset: Number(event.offset), token }),
    );
    await Promise.allSettled(released);
  }

  /** Does all that is to be done, so that what is dead is written down, and what is settled is not. */
  async finish(): Promise<void> {
    await this.#journal.catchUp();
    if (this.#journal.state.hasOver(Infinity)) {
      await this.#journal.setClock();
      if (this.#journal.state.hasOver(this.#journal.now())) await this.#journal.append({ do: 'bury' });
    }
    await Promise.all(this.#journal.state.chores.map((row) => this.#do(row)));
  }

  /** Once it is finished. */
  info(range: { readonly first: number; readonly last: number }, letters: readonly number[]): GroupInfo {
    const { state } = this.#journal;
    return { group: this.name, pending: state.pending(range), deadLetters: this.unraised(letters).length };
  }

  /** Those of some dead letters, by offset, that are not given out again. */
  unraised(offsets: readonly number[]): number[] {
    const raised = new Set(this.#journal.state.raised);
    return offsets.filter((offset) => !raised.has(offset));
  }

  /** Gives dead letters out again, by offset; returns how many. Fewer than there are where too much waits already, or somebody else does so. */
  async replay(all: readonly number[]): Promise<number> {
    let count = 0;
    for (let from = 0; from < all.length; from += replayBatch) {
      const keys = all.slice(from, from + replayBatch).map((offset) => ({ group: this.name, offset }));
      const some = await this.#dead.all(keys);
      const id = randomUUID();
      // Their time begins anew, so that it is not over before they are given out. What was settled meanwhile stays so.
      const renewed = await Promise.all(
        some.map(async (kept) => {
          const offset = Number(kept.letter.event.offset);
          return (await this.#dead.renew(kept, `${this.name}.${offset}.${id}`)) ? offset : undefined;
        }),
      );
      const offsets = renewed.filter((offset) => offset !== undefined);
      if (offsets.length === 0) continue;
      const replayed = (await this.#journal.append({ do: 'replay', offsets })) as readonly number[];
      if (replayed.length === 0) break;
      count += replayed.length;
    }
    return count;
  }

  /** Nobody has joined it yet, or not since its journal was removed. */
  get #isNew(): boolean {
    return this.#journal.state.cursor === 0;
  }

  async #claim(terms: Terms): Promise<Lease | Nothing> {
    const [strict, most, { ackWait }] = [isStrict(terms), terms.maxDeliveries, terms];
    for (;;) {
      const { first, last } = this.#stream.range;
      let given = await this.#renewed(this.#unclaimed.take(terms), terms);
      if (!given) {
        const nothing = this.#journal.state.nothing({ strict, last, now: this.#journal.now() });
        if (nothing) return nothing;
        const act: Act = { do: 'claim', ackWait, most, strict, first, last };
        this.#claims.set(act, terms);
        const outcome = (await this.#journal.append(act)) as Given | Nothing;
        // What was asked for before may have come meanwhile.
        const before = this.#unclaimed.take(terms, 'wait' in outcome ? Infinity : outcome.offset);
        if (before && !('wait' in outcome)) this.#unclaimed.keep(outcome, terms);
        if (!before && 'wait' in outcome) return outcome;
        given = before ? await this.#renewed(before, terms) : (outcome as Given);
      }
      const lease = given && (await this.#lease(given, terms));
      if (lease) return lease;
    }
  }

  /** With its time begun anew. Undefined: it is over. */
  async #renewed(given: Given | undefined, terms: Terms): Promise<Given | undefined> {
    if (!given) return undefined;
    const { offset, token } = given;
    try {
      const isOurs = await this.#journal.append({ do: 'extend', offset, token, ackWait: terms.ackWait });
      return isOurs === true ? given : undefined;
    } catch (error) {
      this.#unclaimed.keep(given, terms);
      throw error;
    }
  }

  /** A power cut may take the end of a stream, and other events come to have its offsets: the group begins again where they do. */
  async #check(): Promise<void> {
    const { top, topAt } = this.#journal.state;
    const interruptions = this.#interruptions;
    this.#ahead.clear();
    await this.#findLoss(top, topAt);
    this.#checked = interruptions;
  }

  async #findLoss(top: number, topAt: number): Promise<void> {
    if (!(await this.#isLost(top, topAt))) return;
    // So it may look to a server that has been away.
    await this.#server.settle();
    if (!(await this.#isLost(top, topAt))) return;
    const begin = await this.#stream.offsetOf({ time: topAt - clockError });
    await this.#journal.append({ do: 'lost', last: Math.min(this.#stream.range.last, begin - 1), top });
  }

  /** Whether the event that was given out last is not there, or another has its offset. */
  async #isLost(top: number, topAt: number): Promise<boolean> {
    await this.#stream.refresh();
    if (top === 0 || this.#stream.range.last < top) return top > 0;
    const found = await this.#stream.get(top);
    if (found && this.#newest?.offset === top && this.#newest.at === topAt)
      return found.publishedAt !== this.#newest.publishedAt;
    return (found?.publishedAt ?? 0) > topAt + clockError;
  }

  /** Undefined: it is not there any more. */
  async #lease(given: Given, terms: Terms): Promise<Lease | undefined> {
    const { offset, attempt, token, replayed } = given;
    const { top, topAt } = this.#journal.state;
    let event: Event | undefined;
    try {
      event = replayed ? await this.#letterEvent(offset) : await this.#event(offset, attempt);
    } catch (error) {
      this.#unclaimed.keep(given, terms);
      throw error;
    }
    if (event && attempt === 1 && offset === top) this.#newest = { offset, at: topAt, publishedAt: event.publishedAt };
    if (event) return { event, attempt, token, replayed };
    await this.#journal.append({ do: 'gone', offset, token });
    await this.#stream.refresh();
    return undefined;
  }

  /** Of a dead letter; undefined only if it is not there any more. */
  async #letterEvent(offset: number): Promise<Event | undefined> {
    const key = { group: this.name, offset };
    const letter = await this.#dead.get(key);
    if (letter) return letter.event;
    await this.#server.settle();
    return (await this.#dead.get(key))?.event;
  }

  /** Most are the next: read some, not one. Given to one holder only, who may change what it has in hands. */
  async #event(offset: number, attempt: number): Promise<Event | undefined> {
    const read = this.#takeAhead(offset);
    if (read) return read;
    if (attempt > 1) return this.#stream.get(offset);
    const events = await this.#stream.after(offset, ahead);
    this.#ahead = new Map(events.map((event) => [Number(event.offset), event]));
    // What it holds may not be known here any more.
    return this.#takeAhead(offset) ?? this.#stream.get(offset);
  }

  #takeAhead(offset: number): Event | undefined {
    const read = this.#ahead.get(offset);
    this.#ahead.delete(offset);
    return read;
  }

  #changed(mine: readonly Mine[]): void {
    for (const { act, outcome, abandoned } of mine) {
      if (!abandoned) continue;
      const terms = this.#claims.get(act);
      if (terms && isGiven(outcome)) this.#unclaimed.keep(outcome, terms);
      else if (outcome === true && 'token' in act && act.do !== 'extend') this.#late.set(act.token, act.do);
    }
    // Of an act of this one's: somebody is to do it.
    if (mine.length > 0) for (const row of this.#journal.state.chores) void this.#do(row).catch(() => undefined);
    for (const token of this.#late.keys()) {
      if (this.#late.size <= mostLate) break;
      this.#late.delete(token);
    }
  }

  /** Writes the dead letter of a row, or removes it, and then the row. */
  #do(row: Row): Promise<void> {
    const key = `${row.offset}.${row.token}`;
    const doing = this.#doing.get(key) ?? this.#chore(row).finally(() => this.#doing.delete(key));
    this.#doing.set(key, doing);
    return doing;
  }

  async #chore({ offset, token, phase, replayed, attempt: attempts, reason = '', due: diedAt }: Row): Promise<void> {
    const letter = { group: this.name, offset };
    if (phase === 'settled') await this.#dead.remove(letter);
    else {
      // Its holder may have changed what it has in hands.
      const held = this.#held.get(offset);
      const kept = replayed ? (await this.#dead.get(letter))?.event : ((await this.#stream.get(offset)) ?? held);
      if (kept)
        await this.#dead.write(
          { event: kept, group: this.name, attempts, reason, diedAt },
          `${this.name}.${offset}.${token}.${diedAt}`,
        );
    }
    await this.#journal.append({ do: 'done', offset, token });
  }
}

function isGiven(outcome: Outcome): outcome is Given {
  return typeof outcome === 'object' && 'token' in outcome;
}
