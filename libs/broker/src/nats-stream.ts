import { patience } from './broker.js';
import type { Room } from './nats-listener.js';
import { encodeHead } from './nats-listener.js';
import { keyOf, type Owner, type OwnerKey } from './nats-packets.js';
import type { Parcel } from './outlet.js';

/** A message on its way to all who get everything. */
export interface StreamParcel extends Parcel {
  /** The server does not have it, or nobody knows. */
  fail(error: unknown): void;
}

/** What was sent at once. */
export interface Sent {
  readonly parcels: readonly StreamParcel[];
  /** Stream that it was sent as, and where that ended then. */
  readonly owner: OwnerKey;
  readonly last: Place;
}

interface Place {
  readonly number: number;
  readonly position: number;
}

/** A process with subscriptions that get everything. */
interface Ear {
  /** Number of the first message that comes to it. */
  readonly from: number;
  /** Bytes of the stream that have come there, and the message up to which there is room; undefined: it has not said anything yet. */
  position: number;
  limit: number | undefined;
  heardAt: number;
  /** It does not answer: nobody waits for it until it does. */
  silent: boolean;
}

export interface StreamOptions {
  /** Sends a packet to whoever listens to the topic; throws where there is no server. */
  readonly send: (owner: OwnerKey, pieces: readonly Uint8Array[]) => void;
  /** Resolves when the server has what was sent before. */
  readonly flush: () => Promise<void>;
  /** Another name for a stream that begins anew. */
  readonly next: () => Owner;
}

/** Bytes that are on the way to the server, or to a process that reads what comes, at most: it keeps a server from cutting somebody off. */
const windowBytes = 4 * 1024 * 1024;
/** Of a packet, if it is not one message. */
const packetBytes = 256 * 1024;

/**
 * The messages of one publisher to one topic, as they go to all subscriptions without a queue: each once to the server, which hands it on. A message
 * goes out at once, and is settled when the server has it and each process has said, ahead of time or after it, that there is room for it.
 */
export class Stream {
  readonly #options: StreamOptions;
  readonly #ears = new Map<string, Ear>();
  #number = 0;
  #owner: OwnerKey = '';
  #line: StreamParcel[] = [];
  #sent: { readonly number: number; readonly parcel: StreamParcel }[] = [];
  /** Of the last message that was sent, and that the server has. */
  #last: Place = { number: 0, position: 0 };
  #flushed: Place = { number: 0, position: 0 };
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#begin();
  }

  get isHeard(): boolean {
    return this.#ears.size > 0;
  }

  get number(): number {
    return this.#number;
  }

  /** What could be sent at once, and goes to the server with the next flush, of which `answered` or `failed` wants to hear. */
  push(parcels: readonly StreamParcel[]): Sent | undefined {
    this.#line.push(...parcels);
    const sent = this.#pump();
    this.#watchTime();
    return sent;
  }

  /** The server has it. */
  answered({ owner, last }: Sent): void {
    if (owner !== this.#owner) return;
    this.#flushed = last;
    this.#settle();
    this.#go();
  }

  /** The server does not have it, or nobody knows. */
  failed({ parcels }: Sent, error: unknown): void {
    this.#fail(parcels, error);
  }

  /** A process that listens from now on, or does so anew. What the server does not have yet comes to it, too. */
  add(process: string): void {
    const { position } = this.#last;
    const from = this.#flushed.number + 1;
    this.#ears.set(process, { from, position, limit: undefined, heardAt: performance.now(), silent: false });
  }

  remove(process: string): void {
    if (!this.#ears.delete(process)) return;
    this.#settle();
    this.#go();
  }

  has(process: string): boolean {
    return this.#ears.has(process);
  }

  told(process: string, { position, limit }: Room): void {
    const ear = this.#ears.get(process);
    if (!ear) return;
    Object.assign(ear, { position, limit, heardAt: performance.now(), silent: false });
    this.#settle();
    this.#go();
  }

  /**
   * The connection was lost and is there again: what was said before may have been lost, so nobody is asked about it any more. What the server does not
   * have fails by itself.
   */
  again(): void {
    const had = this.#sent.filter(({ number }) => number <= this.#flushed.number);
    this.#begin();
    this.#last = { number: 0, position: 0 };
    this.#flushed = this.#last;
    this.#sent = [];
    for (const { parcel } of had) parcel.settle();
    for (const process of [...this.#ears.keys()]) this.add(process);
    this.#go();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #begin(): void {
    const owner = this.#options.next();
    this.#number = owner.number;
    this.#owner = keyOf(owner);
  }

  #go(): void {
    const sent = this.#pump();
    if (!sent) return;
    this.#options.flush().then(
      () => this.answered(sent),
      (error: unknown) => this.failed(sent, error),
    );
  }

  #pump(): Sent | undefined {
    let parcels: readonly StreamParcel[] = [];
    while (this.#line.length > 0) {
      const isLate = (this.#line[0] as StreamParcel).deadline <= performance.now();
      if (!isLate && this.#onTheWay() >= windowBytes) break;
      const batch = this.#batch();
      parcels = parcels.length === 0 ? batch : [...parcels, ...batch];
      try {
        this.#send(batch);
      } catch (error) {
        this.#fail(parcels, error);
        return undefined;
      }
    }
    return parcels.length === 0 ? undefined : { parcels, owner: this.#owner, last: this.#last };
  }

  #fail(parcels: readonly StreamParcel[], error: unknown): void {
    const failed = new Set(parcels);
    this.#sent = this.#sent.filter(({ parcel }) => !failed.has(parcel));
    for (const parcel of parcels) parcel.fail(error);
  }

  #onTheWay(): number {
    let position = this.#flushed.position;
    for (const ear of this.#ears.values()) if (!ear.silent) position = Math.min(position, ear.position);
    return this.#last.position - position;
  }

  #batch(): readonly StreamParcel[] {
    let bytes = 0;
    let count = 0;
    for (const { frame } of this.#line) {
      bytes += frame.length;
      if (count > 0 && bytes > packetBytes) break;
      count++;
    }
    return this.#line.splice(0, count);
  }

  #send(parcels: readonly StreamParcel[]): void {
    const frames = parcels.map(({ frame }) => frame);
    const head = encodeHead({ first: this.#last.number + 1, position: this.#last.position });
    let { number } = this.#last;
    for (const parcel of parcels) this.#sent.push({ number: ++number, parcel });
    this.#last = { number, position: this.#last.position + frames.reduce((sum, { length }) => sum + length, 0) };
    this.#options.send(this.#owner, [head, ...frames]);
  }

  #settle(): void {
    let number = this.#flushed.number;
    for (const ear of this.#ears.values()) if (!ear.silent) number = Math.min(number, roomOf(ear));
    let count = 0;
    while ((this.#sent[count]?.number ?? Infinity) <= number) count++;
    for (const { parcel } of this.#sent.splice(0, count)) parcel.settle();
  }

  /** One timer, for the next publisher whose patience ends. */
  #watchTime(): void {
    if (this.#timer) return;
    const next = this.#sent[0]?.parcel ?? this.#line[0];
    if (!next) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#expire();
        this.#watchTime();
      },
      Math.max(0, next.deadline - performance.now()) + 1,
    );
  }

  #expire(): void {
    const now = performance.now();
    // Who has said nothing for so long is not waited for.
    for (const ear of this.#ears.values())
      if (roomOf(ear) < (this.#sent[0]?.number ?? 0) && ear.heardAt <= now - patience) ear.silent = true;
    // What the server has. What it does not have fails by itself.
    const isLate = ({ parcel, number }: { readonly number: number; readonly parcel: StreamParcel }) =>
      parcel.deadline <= now && number <= this.#flushed.number;
    for (const { parcel } of this.#sent.filter(isLate)) parcel.settle();
    this.#sent = this.#sent.filter((one) => !isLate(one));
    this.#settle();
    this.#go();
  }
}

function roomOf({ from, limit = 0 }: Ear): number {
  return Math.max(limit, from - 1);
}
