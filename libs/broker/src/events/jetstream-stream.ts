import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Event, eventLimits, type Position, type Published, type Retention, type StreamInfo } from './events.js';
import { isNobody } from './jetstream-errors.js';
import { eventBytes, fromStored, letterBytes, storedEvent } from './jetstream-messages.js';
import { type EventsPlace, eventsPlace } from './jetstream-names.js';
import { type JetstreamServer, nanoseconds, type Stored, type StreamState } from './jetstream-server.js';
import { Trimmer } from './jetstream-trimmer.js';
import { type CheckedEvent, sizeOf } from './validation.js';

/** Offsets of the oldest and the newest event kept; there is none if `first` is behind `last`. */
export type Range = Pick<StreamState, 'first' | 'last'>;

/** Bytes of events in one read, unless the first few alone are more. */
const readBytes = 2 * 1024 * 1024;
/** Looks at what a stream holds, and milliseconds between two of them, until what is said of its messages and of its subjects goes together. */
const looking = { most: 10, interval: 20 } as const;
/** Events asked for at once: at first, and at most. */
const batch = { first: 16, most: 256 } as const;

/** One stream, which is one of JetStream's: an event's offset is its sequence. */
export class JetstreamStream {
  readonly name: string;
  readonly place: EventsPlace;
  readonly #server: JetstreamServer;
  readonly #retention: Retention;
  readonly #trimmer: Trimmer;
  #range: Range = { first: 1, last: 0 };
  /** Questions about what it holds that are under way: with the last event that was heard of since each was asked. */
  readonly #questions = new Set<{ heard: number }>();
  /** The last event that was told of, or was there before. */
  #told = 0;
  /** How often it came into doubt whether it is still the same, and as many of these as were looked into. */
  #doubts = 0;
  #cleared = 0;
  #clearing: Promise<unknown> | undefined;
  /** It was there, and is not. */
  #isGone = false;
  #asked = 0;
  /** The last of them that was answered. */
  #answered = 0;
  #made: number | undefined;
  /** The last event that was read here. */
  #known: Stored | undefined;
  #renewals = 0;
  #more: () => void = () => undefined;
  #renewed: () => void = () => undefined;
  #ensured: Promise<void> | undefined;

  constructor(
    server: JetstreamServer,
    options: { readonly namespace: string; readonly name: string; readonly retention: Retention },
  ) {
    this.#server = server;
    this.name = options.name;
    this.place = eventsPlace(options.namespace, options.name);
    this.#retention = options.retention;
    this.#trimmer = new Trimmer(this, { server, most: options.retention.bytes });
  }

  /** As far as is known here. */
  get range(): Range {
    return this.#range;
  }

  /** How often it is known to have been removed and made again: its offsets began anew. */
  get renewals(): number {
    return this.#renewals;
  }

  /** Calls back whenever it is known to hold more than before, and, before that, whenever it may have been made again. */
  listen({ more, renewed }: { more(): void; renewed(): void }): void {
    this.#more = more;
    this.#renewed = renewed;
  }

  /** JetStream has told of an event. It does so in their order, so that one that is not behind the one before may be another stream's. */
  told(offset: number): void {
    // Of what is none of ours.
    if (!Number.isSafeInteger(offset) || offset < 1) return;
    if (offset <= this.#told) this.doubt();
    this.#told = offset;
    this.heard(offset);
  }

  /** Somebody has heard of an event. */
  heard(last: number): void {
    for (const question of this.#questions) question.heard = Math.max(question.heard, last);
    // Of another, what is behind what was read here is not all that is new. Whoever polls asks again.
    if (this.#isGone || this.#isDoubtful) this.#clear().catch(() => undefined);
    else if (last > this.#range.last) this.#learn({ ...this.#range, last });
  }

  /** It may have been removed and made again. */
  doubt(): void {
    this.#doubts++;
  }

  /** Resolves when it is known whether it was made again. */
  async settle(): Promise<void> {
    while (this.#isDoubtful) await this.#clear();
  }

  /** Makes it, where it is not there, with the retention that holds here. */
  ensure(): Promise<void> {
    if (!this.#ensured) {
      const { name, subject, live } = this.place;
      const age = nanoseconds(this.#retention.age);
      const ensuring = this.#server.ensure({
        name,
        subjects: [`${subject}.*`],
        max_age: age,
        // JetStream forgets ids no later than their events.
        duplicate_window: Math.min(age, nanoseconds(eventLimits.duplicateWindow)),
        republish: { src: '>', dest: live, headers_only: true },
      });
      this.#ensured = ensuring;
      ensuring.catch(() => (this.#ensured = undefined));
    }
    return this.#ensured;
  }

  async publish({ id, body, headers }: CheckedEvent): Promise<Published> {
    const known = id ?? randomUUID();
    // As it is now: it is sent later.
    const {
      subject,
      headers: message,
      data,
      bytes,
    } = storedEvent(this.place.subject, { id: known, body: new Uint8Array(body), headers });
    // It may become a dead letter.
    this.#server.checkSize(bytes + letterBytes);
    const { sequence, duplicate } = await this.#server.persist(async () => {
      await this.ensure();
      try {
        return await this.#server.append(subject, data, message);
      } catch (error) {
        // Removed, or without a leader.
        if (isNobody(error)) this.#ensured = undefined;
        throw error;
      }
    });
    this.heard(sequence);
    this.#trimmer.published(sizeOf({ body, headers }));
    // What was made up here is a duplicate only of an attempt of ours.
    return { offset: BigInt(sequence), id: known, duplicate: duplicate && id !== undefined };
  }

  /** Learns what it holds. Undefined: it is not there. */
  async refresh(): Promise<StreamState | undefined> {
    const [number, question, doubts] = [++this.#asked, { heard: 0 }, this.#doubts];
    this.#questions.add(question);
    try {
      const state = await this.#server.state(this.place.name);
      const isRenewed = state !== undefined && this.#made !== undefined && state.made !== this.#made;
      const isAnother = isRenewed && (await this.#isAnother(state));
      // Who has asked later knows better.
      if (number < this.#answered) return state;
      [this.#answered, this.#cleared] = [number, doubts];
      this.#isGone = state === undefined && this.#made !== undefined;
      this.#told = Math.max(isAnother ? 0 : this.#told, state?.last ?? 0);
      // Who has asked before may have found that out meanwhile.
      if (isAnother && state.made !== this.#made) [this.#renewals, this.#known] = [this.#renewals + 1, undefined];
      this.#made = state?.made ?? this.#made;
      // What was heard of meanwhile the answer may not know.
      const last = this.#isGone ? 0 : Math.max(state?.last ?? 0, question.heard);
      if (isRenewed) this.#renewed();
      this.#learn({ first: state?.first ?? 1, last });
      if (isRenewed) this.#more();
      return state;
    } finally {
      this.#questions.delete(question);
    }
  }

  /** As it is now, from a position on. */
  async read(from: Position, limit: number): Promise<Event[]> {
    const offset = await this.offsetOf(from);
    return this.after(offset, limit);
  }

  /** The next events from an offset on, of those that are known here; none at the end. */
  async after(from: number, limit: number): Promise<Event[]> {
    for (let next = from; ;) {
      const begin = Math.max(next, this.#range.first);
      const end = Math.min(begin + limit - 1, this.#range.last);
      if (begin > end) return [];
      const found = await this.#page(begin, end);
      if (found.length > 0) return found;
      // Retention was faster, or somebody has removed these.
      await this.refresh();
      next = this.#range.first > begin ? next : end + 1;
    }
  }

  /** Undefined: it is not there any more. */
  async get(offset: number): Promise<Event | undefined> {
    const stored = await this.#stored(offset);
    return stored && fromStored(this.name, stored);
  }

  /** Offset from which a position reads, by what it holds now; of a stream that is not there everything is to come. */
  async offsetOf(position: Position): Promise<number> {
    await this.refresh();
    const { first, last } = this.#range;
    if (position === 'oldest') return first;
    if (position === 'newest') return last + 1;
    if ('offset' in position) return Number(position.offset);
    let [low, high] = [first, last + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = await this.#fromOn(middle);
      // Of what is not there any more the next counts; behind the last there is none.
      if (!found || found.at >= position.time) high = middle;
      else low = found.sequence + 1;
    }
    return low;
  }

  /** With the bytes of bodies and headers; `isExact` unless so much is removed all the time that they are fewer. Undefined: it is not there. */
  async size(): Promise<(StreamState & { readonly isExact: boolean }) | undefined> {
    for (let looks = 1; ; looks++) {
      const state = await this.#server.state(this.place.name, '>');
      if (!state) return undefined;
      const counted = Object.values(state.subjects).reduce((sum, count) => sum + count, 0);
      // Subjects are counted a moment later: some were removed in between.
      const isExact = counted >= state.messages;
      if (isExact || looks === looking.most) return { ...state, bytes: eventBytes(state), isExact };
      await sleep(looking.interval);
    }
  }

  /** Without its groups. Undefined: it is not there. */
  async info(): Promise<(Omit<StreamInfo, 'groups'> & { readonly range: Range }) | undefined> {
    const state = await this.size();
    if (!state) return undefined;
    const { first, last, messages, bytes } = state;
    const ends =
      messages === 0 ? { oldest: undefined, newest: undefined } : { oldest: BigInt(first), newest: BigInt(last) };
    return { stream: this.name, events: messages, bytes, ...ends, range: { first, last } };
  }

  get #isDoubtful(): boolean {
    return this.#cleared < this.#doubts;
  }

  #clear(): Promise<unknown> {
    return (this.#clearing ??= this.refresh().finally(() => (this.#clearing = undefined)));
  }

  #learn(range: Range): void {
    const { last } = this.#range;
    this.#range = range;
    if (range.last > last) this.#more();
  }

  /** Whether what was read here is not in it, and was not removed from it. */
  async #isAnother({ first, last: end }: StreamState): Promise<boolean> {
    const known = this.#known;
    if (!known || known.sequence < first) return false;
    let last = end;
    if (known.sequence > last) {
      // So it may look to a server that has been away.
      await this.#server.settle();
      last = (await this.#server.state(this.place.name))?.last ?? 0;
    }
    return known.sequence > last || (await this.#stored(known.sequence))?.at !== known.at;
  }

  async #stored(offset: number): Promise<Stored | undefined> {
    const stored = await this.#server.get(this.place.name, offset, `${this.place.subject}.*`);
    if (stored && !this.#isDoubtful && stored.sequence > (this.#known?.sequence ?? 0))
      this.#known = { ...stored, data: nothing };
    return stored;
  }

  /** With an offset, or the next of those that there are. */
  async #fromOn(offset: number): Promise<Stored | undefined> {
    return (await this.#stored(offset)) ?? this.#server.next(this.place.name, offset, `${this.place.subject}.*`);
  }

  /** As many as may be read at once; those that are not there any more are left out. */
  async #page(begin: number, end: number): Promise<Event[]> {
    const events: Event[] = [];
    let bytes = 0;
    for (let at = begin, length: number = batch.first; at <= end && bytes < readBytes;) {
      const offsets = Array.from({ length: Math.min(length, end - at + 1) }, (_, index) => at + index);
      for (const event of await Promise.all(offsets.map((offset) => this.get(offset)))) {
        if (!event) continue;
        events.push(event);
        bytes += sizeOf(event);
      }
      at += offsets.length;
      const average = Math.max(1, bytes / Math.max(1, events.length));
      length = Math.max(1, Math.min(batch.most, Math.floor((readBytes - bytes) / average)));
    }
    return events;
  }
}

const nothing = new Uint8Array();
