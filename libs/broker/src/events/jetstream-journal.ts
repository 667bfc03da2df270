import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { type Entry, entryVersion, packedEntry, parsedEntry, type ServerClock } from './jetstream-entries.js';
import { type Act, GroupState, type Outcome, type Packed } from './jetstream-group-state.js';
import type { GroupPlace } from './jetstream-names.js';
import { idHeaders, type JetstreamServer, type Stored } from './jetstream-server.js';

/** An act of this one's own, and what came of it. */
export interface Mine {
  readonly act: Act;
  readonly outcome: Outcome;
  /** Nobody waits for the outcome any more. */
  readonly abandoned: boolean;
}

interface Waiting {
  readonly act: Act;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

/** Acts that are written, or on their way. */
interface Pending {
  readonly acts: readonly Waiting[];
  abandoned: boolean;
}

/** A state that was written down. */
interface Written {
  readonly at: number;
  readonly of: number;
  readonly state: Packed;
  readonly bytes: number;
}

/** Acts in one message, and their bytes. */
const mostActs = 200;
const mostBytes = 262_144;
/** Entries read at once. */
const batch = 200;
/** Bytes of entries after which the state is written down, at least; and in states. */
const writeDownAfter = { bytes: 65_536, states: 4 } as const;
/**
 * Milliseconds that entries are kept after a state was written down that they have led to. A power cut takes from JetStream what it has not synced yet, of two
 * minutes unless it is told otherwise: a state may be gone then, and what was removed before is.
 */
const keptFor = 180_000;
/** Milliseconds in which what was stored is heard of, before it is asked for. */
const hearing = 50;
/** Milliseconds after which an entry that nobody waits for will not come any more. */
const forgetAfter = 150_000;

/**
 * The journal of a group, which is a stream of JetStream: everyone who takes part writes acts to it, reads all of them in their one order, and works out
 * the group's state from them. So nobody has to be asked, and nobody can be missing. From time to time the state is written down, and what led to it removed.
 */
export class GroupJournal {
  readonly #server: JetstreamServer;
  readonly #place: GroupPlace;
  readonly #clock: ServerClock;
  readonly #changed: (mine: readonly Mine[]) => void;
  readonly #me = randomBytes(9).toString('base64url');
  readonly #pending = new Map<number, Pending>();
  #queue: Waiting[] = [];
  #state = new GroupState();
  /** Sequence up to which entries are applied. */
  #applied = 0;
  /** Up to which of them a state that was written down has stood for the entries. */
  #jumped = 0;
  /** The last entry that was applied: by which it is known, and its sequence. */
  #last: { readonly sign: string; readonly sequence: number } | undefined;
  /** When the stream was made, as far as that is known: it may have been removed since, and made again. */
  #made: number | undefined;
  /** Interruptions, and as many of them as were looked into. */
  #interruptions = 0;
  #verified = 0;
  /** Entries of this one's. */
  #entries = 0;
  /** What this process's clock is to be ahead by, to be the group's. */
  #ahead = 0;
  /** Bytes of entries since the state was last written down, and of that. */
  #bytes = 0;
  #stateBytes = 0;
  /** States that were written down: when, and up to which sequence. */
  #written: { readonly at: number; readonly of: number }[] = [];
  #writing = false;
  #catchingUp: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #silence: (() => void) | undefined;

  constructor(
    server: JetstreamServer,
    options: {
      readonly place: GroupPlace;
      readonly clock: ServerClock;
      /** Told of each entry that is applied, with the acts that were this one's. */
      readonly changed: (mine: readonly Mine[]) => void;
    },
  ) {
    this.#server = server;
    this.#place = options.place;
    this.#clock = options.clock;
    this.#changed = options.changed;
  }

  get state(): GroupState {
    return this.#state;
  }

  /** By the group's clock, which goes on with that of the servers, and never back. */
  now(): number {
    return Math.max(this.#clock.now(), Math.round(this.#ahead + performance.now()));
  }

  /** Makes it, where it is not there, and hears from now on what is written. */
  async listen(): Promise<void> {
    await this.#ensure();
    this.#silence = await this.#server.listen(this.#place.live, ({ headers, data }) => {
      this.#hear(Number(headers?.get('Nats-Sequence')), data);
    });
    await this.catchUp();
  }

  close(): void {
    this.#silence?.();
    this.#silence = undefined;
  }

  /** JetStream was away, and may have lost the end of it. */
  interrupt(): void {
    this.#interruptions++;
  }

  /** Learns the time of the servers, where it is not known. */
  async setClock(): Promise<void> {
    if (!this.#clock.isSet) await this.#store('acts', { ...this.#signed(0), acts: [] });
  }

  /** Resolves to what comes of it, once that is kept. MicroError `unavailable`: it may be kept later. */
  append(act: Act): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ act, resolve, reject });
      if (this.#queue.length === 1) queueMicrotask(() => this.#flush());
    });
  }

  /** Applies all that is stored by now. If it was removed, it is made again for who takes part, and begins anew. */
  catchUp(): Promise<void> {
    if (!this.#catchingUp) {
      this.#catchingUp = this.#catchUp().finally(() => (this.#catchingUp = undefined));
      return this.#catchingUp;
    }
    // That one may have asked before.
    this.#next ??= this.#catchingUp
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.catchUp();
      });
    return this.#next;
  }

  #flush(): void {
    const queue = this.#queue.splice(0);
    let [some, bytes] = [[] as Waiting[], 0];
    for (const waiting of queue) {
      const more = bytesOf(waiting.act);
      if (some.length === mostActs || (some.length > 0 && bytes + more > mostBytes)) {
        void this.#write(some);
        [some, bytes] = [[], 0];
      }
      some.push(waiting);
      bytes += more;
    }
    void this.#write(some);
  }

  async #write(acts: readonly Waiting[]): Promise<void> {
    const entry = { ...this.#signed(this.now()), acts: acts.map(({ act }) => act) };
    const pending: Pending = { acts, abandoned: false };
    this.#pending.set(entry.n, pending);
    try {
      await this.#see(entry.n, await this.#store('acts', entry));
    } catch (error) {
      pending.abandoned = true;
      setTimeout(() => this.#pending.delete(entry.n), forgetAfter).unref();
      for (const { reject } of acts) reject(error);
    }
  }

  /** Resolves when an entry that is stored is applied. */
  async #see(n: number, sequence: number): Promise<void> {
    if (this.#silence && this.#pending.has(n)) await sleep(hearing);
    if (!this.#pending.has(n)) return;
    // Stored where something else was: the end of the journal was lost.
    if (sequence <= this.#applied && sequence > this.#jumped) this.#applied = Infinity;
    await this.catchUp();
    if (this.#pending.has(n))
      throw new MicroError('unavailable', 'what came of it is not known: ask again', { id: 'broker' });
  }

  #signed(at: number): Pick<Entry, 'v' | 'by' | 'n' | 'at'> {
    return { v: entryVersion, by: this.#me, n: ++this.#entries, at };
  }

  /** Resolves to its sequence. */
  async #store(what: 'acts' | 'state', entry: Entry): Promise<number> {
    const [data, id, sent] = [packedEntry(entry), `${entry.by}-${entry.n}`, performance.now()];
    const append = () => this.#server.append(`${this.#place.subject}.${what}`, data, idHeaders(id));
    const { sequence } = await this.#server.persist(append);
    if (this.#clock.isOld) {
      const setting = this.#readClock(sequence, { sent, took: performance.now() - sent });
      if (!this.#clock.isSet) await setting;
      else setting.catch(() => undefined);
    }
    return sequence;
  }

  async #readClock(seq: number, span: { readonly sent: number; readonly took: number }): Promise<void> {
    const stored = await this.#entry(seq);
    if (stored) this.#clock.set(stored.at, span);
  }

  #hear(sequence: number, data: Uint8Array): void {
    try {
      if (sequence === this.#applied + 1 && this.#verified === this.#interruptions) return this.#apply(sequence, data);
    } catch {
      // Whoever waits for it is told by reading it again.
    }
    if (sequence > this.#applied) this.catchUp().catch(() => undefined);
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const before = this.#applied;
      const found = await this.#server.state(this.#place.name);
      if (!found && !this.#silence) return;
      if (!found) {
        this.#restart();
        await this.#ensure();
        continue;
      }
      if (found.made !== this.#made) this.interrupt();
      this.#made = found.made;
      if (found.last < before) {
        await this.#checkEnd(before);
        // Others may have written since: what is there now counts.
        continue;
      }
      if (this.#verified < this.#interruptions) await this.#verify(found.last);
      if (this.#applied === 0 || this.#applied + 1 < found.first) await this.#jump();
      if (await this.#read(found.last)) return;
      // The next entry is not there any more: because of a state that was written down, or because a power cut took that, or it.
      if (!(await this.#jump())) this.#applied = Math.max(this.#applied + 1, found.first - 1);
    }
  }

  /** Begins anew if the end of the journal was lost; or whoever answered so has been away. */
  async #checkEnd(applied: number): Promise<void> {
    await this.#server.settle();
    const found = await this.#server.state(this.#place.name);
    if (found && found.last < applied) this.#restart();
  }

  /** Begins anew if other entries have come to have the sequences of those that were applied. */
  async #verify(last: number): Promise<void> {
    const [interruptions, applied] = [this.#interruptions, this.#last];
    if (!applied) this.#restart();
    else if (applied.sequence <= last) {
      const stored = await this.#entry(applied.sequence);
      if (stored && signOf(parsedEntry(stored.data)) !== applied.sign) this.#restart();
    }
    this.#verified = interruptions;
  }

  #restart(): void {
    [this.#state, this.#applied, this.#jumped, this.#last] = [new GroupState(), 0, 0, undefined];
    [this.#written, this.#bytes, this.#stateBytes] = [[], 0, 0];
  }

  #ensure(): Promise<void> {
    const { name, subject, live } = this.#place;
    return this.#server.ensure({ name, subjects: [`${subject}.*`], republish: { src: '>', dest: live } });
  }

  /** To the last state that was written down, if that is further. */
  async #jump(): Promise<boolean> {
    const found = await this.#lastState();
    if (!found || found.of <= this.#applied) return false;
    this.#state = GroupState.unpacked(found.state);
    this.#applied = this.#jumped = found.of;
    this.#last = undefined;
    this.#written = [{ at: found.at, of: found.of }];
    [this.#bytes, this.#stateBytes] = [0, found.bytes];
    this.#ahead = Math.max(this.#ahead, this.#state.now - performance.now());
    this.#changed([]);
    return true;
  }

  /** Whatever somebody else has stored there since. */
  async #lastState(): Promise<Written | undefined> {
    const [name, subject] = [this.#place.name, `${this.#place.subject}.state`];
    const last = await this.#server.last(name, subject);
    let found = last && writtenIn(last);
    if (!last || found) return found;
    for (let next = await this.#server.next(name, 1, subject); next && next.sequence < last.sequence;) {
      found = writtenIn(next) ?? found;
      next = await this.#server.next(name, next.sequence + 1, subject);
    }
    return found;
  }

  #entry(sequence: number): Promise<Stored | undefined> {
    return this.#server.get(this.#place.name, sequence, `${this.#place.subject}.*`);
  }

  /** Applies the entries up to one; false if some are not there any more. */
  async #read(last: number): Promise<boolean> {
    while (this.#applied < last) {
      const from = this.#applied + 1;
      const sequences = Array.from({ length: Math.min(batch, last - this.#applied) }, (_, index) => from + index);
      for (const stored of await Promise.all(sequences.map((seq) => this.#entry(seq))))
        if (stored?.sequence === this.#applied + 1) this.#apply(stored.sequence, stored.data);
      if (this.#applied < from) return false;
    }
    return true;
  }

  #apply(sequence: number, data: Uint8Array): void {
    const entry = parsedEntry(data);
    this.#applied = sequence;
    this.#bytes += data.length;
    if (!entry) return;
    this.#last = { sign: signOf(entry), sequence };
    if ('state' in entry) {
      [this.#bytes, this.#stateBytes] = [0, data.length];
      this.#written.push({ at: this.#state.now, of: entry.of });
      return;
    }
    const outcomes = this.#state.apply(entry.acts, entry.at);
    this.#ahead = Math.max(this.#ahead, this.#state.now - performance.now());
    const pending = entry.by === this.#me ? this.#pending.get(entry.n) : undefined;
    if (pending) this.#pending.delete(entry.n);
    const mine: Mine[] = [];
    for (const [index, { act, resolve }] of pending?.acts.entries() ?? []) {
      const outcome = outcomes[index] as Outcome;
      mine.push({ act, outcome, abandoned: pending?.abandoned === true });
      resolve(outcome);
    }
    this.#changed(mine);
    const most = Math.max(writeDownAfter.bytes, writeDownAfter.states * this.#stateBytes);
    if (pending && this.#bytes > most) void this.#writeDown();
  }

  /** Writes down the state, and removes what is not needed since one that was written down long ago. What it cannot now, it does later. */
  async #writeDown(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      const signed = this.#signed(this.#state.now);
      await this.#store('state', { ...signed, of: this.#applied, state: this.#state.packed() });
      const old = this.#written.findLastIndex(({ at }) => at < signed.at - keptFor);
      const written = this.#written.splice(0, old + 1).at(-1);
      if (written) await this.#server.purge(this.#place.name, { seq: written.of + 1 });
    } catch {
      // The next entry tries again.
    } finally {
      this.#writing = false;
    }
  }
}

/** Undefined: it is none. */
function writtenIn({ data }: Stored): Written | undefined {
  const entry = parsedEntry(data);
  return entry && 'state' in entry ? { ...entry, bytes: data.length } : undefined;
}

/** Of an act as it is written, at most. */
function bytesOf(act: Act): number {
  const [reason, offsets] = ['reason' in act ? act.reason.length : 0, 'offsets' in act ? act.offsets.length : 0];
  return 256 + 6 * reason + 17 * offsets;
}

function signOf(entry: Entry | undefined): string {
  return entry ? `${entry.by}-${entry.n}` : '';
}
