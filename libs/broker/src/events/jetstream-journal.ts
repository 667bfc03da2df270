import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { type Act, GroupState, type Outcome, type Packed } from './jetstream-group-state.js';
import type { GroupPlace } from './jetstream-names.js';
import { idHeaders, type JetstreamServer } from './jetstream-server.js';

/** A message of a journal: acts of one who takes part, or the state that those up to `of` have led to. */
interface Entry {
  readonly v: number;
  readonly by: string;
  readonly n: number;
  readonly at: number;
  readonly acts?: readonly Act[];
  readonly of?: number;
  readonly state?: Packed;
}

/** An act of this one's own, and what came of it. */
export interface Mine {
  readonly act: Act;
  readonly outcome: Outcome;
  /** Nobody waits for the outcome any more. */
  readonly abandoned: boolean;
}

interface Pending {
  readonly acts: readonly Waiting[];
  abandoned: boolean;
}

interface Waiting {
  readonly act: Act;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

/** Of the entries as they are written here. */
const version = 1;
/** Acts in one message. */
const mostActs = 200;
/** Entries read at once. */
const batch = 200;
/** Bytes of entries after which the state is written down, at least; and in states. */
const snapshotAfter = { bytes: 32_768, states: 4 } as const;
/** Milliseconds in which what was stored is heard of, before it is asked for. */
const hearing = 50;

/** The time of JetStream's servers, as a process of ours reckons it: its own steps do not matter. Milliseconds since 1970. */
export class ServerClock {
  #base: number | undefined;

  get isSet(): boolean {
    return this.#base !== undefined;
  }

  set(at: number): void {
    this.#base ??= at - performance.now();
  }

  now(): number {
    return Math.round((this.#base ?? 0) + performance.now());
  }
}

/**
 * The journal of a group, which is a stream of JetStream: everyone who takes part writes acts to it, reads all of them in their one order, and works out
 * the group's state from them. So nobody has to be asked, and nobody can be missing. From time to time the state is written down, and what led to it removed.
 */
export class GroupJournal {
  readonly #server: JetstreamServer;
  readonly #place: GroupPlace;
  readonly #clock: ServerClock;
  readonly #changed: (mine: readonly Mine[]) => void;
  readonly #me = randomUUID();
  readonly #pending = new Map<number, Pending>();
  #queue: Waiting[] = [];
  #state = new GroupState();
  /** Sequence up to which entries are applied. */
  #applied = 0;
  #entries = 0;
  /** By which the group's clock differs from this process's. */
  #ahead = 0;
  #bytes = 0;
  #stateBytes = 0;
  #snapshotting = false;
  #catchingUp: Promise<void> | undefined;
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
    const { name, subject, live } = this.#place;
    await this.#server.ensure({ name, subjects: [subject], republish: { src: '>', dest: live } });
    this.#silence = await this.#server.listen(live, ({ headers, data }) => {
      const sequence = Number(headers?.get('Nats-Sequence'));
      if (sequence === this.#applied + 1) this.#apply(sequence, data);
      else if (sequence > this.#applied) void this.catchUp().catch(() => undefined);
    });
    await this.catchUp();
  }

  close(): void {
    this.#silence?.();
    this.#silence = undefined;
  }

  /** Learns the time of the servers, where it is not known. */
  async setClock(): Promise<void> {
    if (this.#clock.isSet) return;
    const data = Buffer.from(
      JSON.stringify({ v: version, by: this.#me, n: ++this.#entries, at: 0, acts: [] } satisfies Entry),
    );
    const { sequence } = await this.#store(data, `${this.#me}-${this.#entries}`);
    const stored = await this.#server.get(this.#place.name, { seq: sequence });
    if (stored) this.#clock.set(stored.at);
  }

  /** Resolves to what comes of it, once that is kept. */
  append(act: Act): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ act, resolve, reject });
      if (this.#queue.length === 1) queueMicrotask(() => this.#flush());
    });
  }

  /** Applies all that is stored by now. */
  async catchUp(): Promise<void> {
    this.#catchingUp ??= this.#catchUp().finally(() => (this.#catchingUp = undefined));
    const isLater = this.#catchingUp;
    await isLater;
  }

  #flush(): void {
    for (const acts of chunks(this.#queue.splice(0), mostActs)) {
      const n = ++this.#entries;
      const pending: Pending = { acts, abandoned: false };
      this.#pending.set(n, pending);
      this.#send(
        n,
        acts.map(({ act }) => act),
      ).catch((error: unknown) => {
        pending.abandoned = true;
        for (const { reject } of acts) reject(error);
      });
    }
  }

  /** Resolves when it is applied. */
  async #send(n: number, acts: readonly Act[]): Promise<void> {
    const entry: Entry = { v: version, by: this.#me, n, at: this.now(), acts };
    const { sequence } = await this.#store(Buffer.from(JSON.stringify(entry)), `${this.#me}-${n}`);
    if (!this.#pending.has(n)) return;
    if (this.#silence && sequence > this.#applied) await sleep(hearing);
    if (!this.#pending.has(n)) return;
    // Written where something else was: the end of the journal was lost.
    if (sequence <= this.#applied) this.#applied = Infinity;
    await this.catchUp();
    if (this.#pending.has(n)) await this.catchUp();
    if (this.#pending.has(n)) throw unknown();
  }

  #store(data: Uint8Array, id: string): Promise<{ readonly sequence: number }> {
    return this.#server.persist(() => this.#server.append(this.#place.subject, data, idHeaders(id)));
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const found = await this.#server.state(this.#place.name);
      if (!found) return;
      if (found.last < this.#applied || this.#applied + 1 < found.first) {
        if (!(await this.#reload(found))) continue;
      }
      if (await this.#read(found.last)) return;
    }
  }

  /** Applies the entries up to one; false if some are not there any more. */
  async #read(last: number): Promise<boolean> {
    while (this.#applied < last) {
      const from = this.#applied + 1;
      for (const [sequence, data] of await this.#entriesFrom(from, Math.min(last, from + batch - 1))) {
        if (sequence === this.#applied + 1) this.#apply(sequence, data);
      }
      if (this.#applied < from) return false;
    }
    return true;
  }

  /** Begins anew, with the last state that was written down. */
  async #reload({ first, last }: { readonly first: number; readonly last: number }): Promise<boolean> {
    const read: [number, Uint8Array][] = [];
    for (let from = first; from <= last; from += batch)
      read.push(...(await this.#entriesFrom(from, Math.min(last, from + batch - 1))));
    const written = read.map(([, data]) => parsed(data)).findLast(({ of = -1, state }) => state && of >= first - 1);
    if (!written?.state && first > 1) return false;
    this.#state = written?.state ? GroupState.unpacked(written.state) : new GroupState();
    this.#applied = written?.of ?? 0;
    this.#bytes = 0;
    for (const [sequence, data] of read) if (sequence === this.#applied + 1) this.#apply(sequence, data);
    return true;
  }

  async #entriesFrom(from: number, to: number): Promise<[number, Uint8Array][]> {
    const sequences = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
    const stored = await Promise.all(sequences.map((seq) => this.#server.get(this.#place.name, { seq })));
    return stored.flatMap((message) => (message ? [[message.sequence, message.data] as [number, Uint8Array]] : []));
  }

  #apply(sequence: number, data: Uint8Array): void {
    const entry = parsed(data);
    this.#applied = sequence;
    this.#bytes += data.length;
    if (entry.state) {
      this.#bytes = 0;
      this.#stateBytes = data.length;
      return;
    }
    const outcomes = this.#state.apply(entry.acts ?? [], entry.at);
    this.#ahead = Math.max(this.#ahead, this.#state.now - performance.now());
    const pending = entry.by === this.#me ? this.#pending.get(entry.n) : undefined;
    if (pending) this.#pending.delete(entry.n);
    const mine =
      pending?.acts.map(({ act }, index) => ({
        act,
        outcome: outcomes[index] as Outcome,
        abandoned: pending.abandoned,
      })) ?? [];
    for (const [index, { resolve }] of pending?.acts.entries() ?? []) resolve(outcomes[index] as Outcome);
    this.#changed(mine);
    if (pending && this.#bytes > Math.max(snapshotAfter.bytes, snapshotAfter.states * this.#stateBytes))
      void this.#writeDown();
  }

  /** What it cannot now, it does later. */
  async #writeDown(): Promise<void> {
    if (this.#snapshotting) return;
    this.#snapshotting = true;
    try {
      const of = this.#applied;
      const entry: Entry = {
        v: version,
        by: this.#me,
        n: ++this.#entries,
        at: this.#state.now,
        of,
        state: this.#state.packed(),
      };
      await this.#store(Buffer.from(JSON.stringify(entry)), `${this.#me}-${entry.n}`);
      await this.#server.purge(this.#place.name, { seq: of + 1 });
    } catch {
      // The next entry tries again.
    } finally {
      this.#snapshotting = false;
    }
  }
}

function parsed(data: Uint8Array): Entry {
  const entry = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as Entry;
  if (entry.v > version) {
    const detail = `a group's journal is written by a newer Micro, in version ${entry.v}, this one knows ${version}: use that`;
    throw new MicroError('failed_precondition', detail, { id: 'broker' });
  }
  return entry;
}

function unknown(): MicroError {
  return new MicroError('unavailable', 'the group was not heard of in time; what was asked of it may be done', {
    id: 'broker',
  });
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
