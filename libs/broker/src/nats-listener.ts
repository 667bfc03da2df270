import { type Message, patience } from './broker.js';
import { decodeFrames } from './frames.js';
import type { Inbox } from './inbox.js';
import { Lane } from './lane.js';
import { keyOf, type Owner, type OwnerKey, ownerOf } from './nats-packets.js';

/** What a process tells a publisher of his stream: all of it up to `position` has come here, and there is room up to its message `limit`. */
export interface Room {
  readonly position: number;
  readonly limit: number;
}

/** What a packet of a stream begins with: the number of its first message, from 1, and the bytes of the stream before it. */
export interface PacketHead {
  readonly first: number;
  readonly position: number;
}

/** A publisher's stream, as it is known here. */
interface Heard {
  readonly owner: Owner;
  /** Number of the last message, and bytes up to its end. */
  last: number;
  position: number;
  /** Messages that wait in line, with how many subscriptions they wait for. */
  readonly waiting: { readonly number: number; left: number }[];
  told: Room | undefined;
}

/** Bytes of two numbers. */
const headBytes = 16;
/** Bytes of a stream that come at most until its publisher is told. */
const tellEvery = 1024 * 1024;
/** Bytes that wait in line for a subscription; more than that is lost at once. */
const lineBytes = 8 * 1024 * 1024;
/** Publishers that are kept in mind. */
const mostStreams = 10_000;

export function encodeHead({ first, position }: PacketHead): Buffer {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeDoubleBE(first, 0);
  head.writeDoubleBE(position, 8);
  return head;
}

/**
 * The subscriptions of this process to one topic that get everything. What is published comes here once, whoever sends it; each publisher is told how
 * much room there is in the fullest of them, ahead of time, so that he waits only when there is none.
 */
export class Listener {
  readonly #topic: string;
  readonly #tell: (owner: Owner, room: Room) => void;
  readonly #lanes = new Map<Inbox, Lane>();
  /** Subscriptions that are not in force yet. */
  readonly #coming = new Set<Inbox>();
  readonly #streams = new Map<OwnerKey, Heard>();
  /** The one that is heard of a process. */
  readonly #newest = new Map<string, Heard>();
  /** Those who may have to wait, or soon may. */
  readonly #hungry = new Set<Heard>();
  #reviewing = false;

  constructor(topic: string, tell: (owner: Owner, room: Room) => void) {
    this.#topic = topic;
    this.#tell = tell;
  }

  get isEmpty(): boolean {
    return this.#lanes.size + this.#coming.size === 0;
  }

  /** It will be in force: what comes until then was published before. */
  expect(inbox: Inbox): void {
    this.#coming.add(inbox);
  }

  join(inbox: Inbox): void {
    if (!this.#coming.delete(inbox)) return;
    const lane = new Lane(patience, lineBytes);
    this.#lanes.set(inbox, lane);
    lane.join(inbox);
    // There may be less room now than they have been told of.
    for (const heard of this.#streams.values()) this.#review(heard, true);
  }

  leave(inbox: Inbox): void {
    this.#coming.delete(inbox);
    const lane = this.#lanes.get(inbox);
    this.#lanes.delete(inbox);
    lane?.leave(inbox);
    this.#reviewSoon();
  }

  /** To be called when the inbox has room. */
  advance(inbox: Inbox): void {
    this.#lanes.get(inbox)?.advance();
    if (this.#hungry.size > 0) this.#reviewSoon();
  }

  take(owner: OwnerKey, packet: Buffer): void {
    const messages = decodeFrames(packet.subarray(headBytes), this.#topic);
    const heard = this.#streams.get(owner) ?? this.#newStream(owner);
    if (!heard) return;
    heard.last = packet.readDoubleBE(0) - 1;
    heard.position = packet.readDoubleBE(8) + packet.length - headBytes;
    for (const message of messages) this.#give(heard, message);
    this.#review(heard);
  }

  /** Publishers hear anew how much room there is: what they were told last may be lost. */
  again(): void {
    for (const heard of this.#streams.values()) heard.told = undefined;
  }

  /** A process that publishes no more. */
  forget(process: string): void {
    for (const [key, heard] of this.#streams) if (heard.owner.process === process) this.#drop(key, heard);
  }

  #give(heard: Heard, { topic, headers, body }: Message): void {
    const number = ++heard.last;
    let waiting: { readonly number: number; left: number } | undefined;
    for (const lane of this.#lanes.values()) {
      const taken = lane.give({ topic, headers: { ...headers }, body: new Uint8Array(body) }, patience);
      if (typeof taken === 'boolean') continue;
      waiting ??= { number, left: 0 };
      const one = waiting;
      one.left++;
      void taken.then(() => {
        one.left--;
        while (heard.waiting[0]?.left === 0) heard.waiting.shift();
        this.#reviewSoon();
      });
    }
    if (waiting) heard.waiting.push(waiting);
  }

  #reviewSoon(): void {
    if (this.#reviewing) return;
    this.#reviewing = true;
    queueMicrotask(() => {
      this.#reviewing = false;
      for (const heard of [...this.#hungry]) this.#review(heard);
    });
  }

  /** Tells the publisher where he needs to know. */
  #review(heard: Heard, isLess = false): void {
    let room = Infinity;
    let buffer = Infinity;
    for (const [inbox, lane] of this.#lanes) {
      room = Math.min(room, lane.room);
      buffer = Math.min(buffer, inbox.buffer);
    }
    const { told, last, position, waiting } = heard;
    const limit = waiting[0] ? waiting[0].number - 1 : last + Math.min(room, Number.MAX_SAFE_INTEGER / 2);
    const left = told ? told.limit - last : 0;
    const isHungry = left <= buffer / 2;
    if (isHungry) this.#hungry.add(heard);
    else this.#hungry.delete(heard);
    const gained = told ? limit - told.limit : Infinity;
    // He waits, or will before long.
    const matters = (left < 0 && gained > 0) || (isHungry && gained >= Math.max(1, buffer / 4));
    if (!matters && !(isLess && gained < 0) && position - (told?.position ?? 0) < tellEvery) return;
    heard.told = { position, limit };
    this.#tell(heard.owner, heard.told);
    if (limit - last > buffer / 2) this.#hungry.delete(heard);
  }

  /** Undefined for one whose publisher has begun another since: what a server had kept of it, and he has given up, would come behind what follows. */
  #newStream(key: OwnerKey): Heard | undefined {
    const heard = { owner: ownerOf(key), last: 0, position: 0, waiting: [], told: undefined };
    const { process, number } = heard.owner;
    const before = this.#newest.get(process);
    if (before && before.owner.number > number) return undefined;
    if (before) this.#drop(keyOf(before.owner), before);
    this.#newest.set(process, heard);
    const [[oldest, forgotten] = []] = this.#streams;
    if (this.#streams.size >= mostStreams && oldest !== undefined && forgotten) this.#drop(oldest, forgotten);
    this.#streams.set(key, heard);
    return heard;
  }

  #drop(key: OwnerKey, heard: Heard): void {
    this.#streams.delete(key);
    this.#hungry.delete(heard);
    if (this.#newest.get(heard.owner.process) === heard) this.#newest.delete(heard.owner.process);
  }
}
