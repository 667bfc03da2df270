import { randomUUID } from 'node:crypto';
import { type Event, eventLimits, type Position, type Published, type Retention, type StreamInfo } from './events.js';
import type { MemoryGroup } from './memory-group.js';
import { type CheckedEvent, sizeOf } from './validation.js';

/** One stream in the memory of its process. */
export class MemoryStream {
  readonly name: string;
  readonly groups = new Map<string, MemoryGroup>();
  readonly #retention: Retention;
  /** Those kept are the ones from `#removed` on. */
  #events: Event[] = [];
  #removed = 0;
  #next = 1;
  #bytes = 0;
  #time = 0;
  /** In the order in which they came. */
  readonly #ids = new Map<string, { readonly offset: bigint; readonly at: number }>();

  constructor(name: string, retention: Retention) {
    this.name = name;
    this.#retention = retention;
  }

  /** Offset of the next event. */
  get next(): number {
    return this.#next;
  }

  /** Offset of the oldest kept; that of the next for none. */
  get oldest(): number {
    return this.#next - (this.#events.length - this.#removed);
  }

  publish({ id = randomUUID(), body, headers }: CheckedEvent): Published {
    // It never runs backwards.
    const at = Math.max(this.#time, Date.now());
    this.#time = at;
    for (const [known, { at: then }] of this.#ids) {
      if (then > at - eventLimits.duplicateWindow) break;
      this.#ids.delete(known);
    }
    const first = this.#ids.get(id);
    if (first) return { offset: first.offset, id, duplicate: true };
    const offset = BigInt(this.#next++);
    this.#ids.set(id, { offset, at });
    this.#events.push({ stream: this.name, offset, id, body: new Uint8Array(body), headers, publishedAt: at });
    this.#bytes += sizeOf({ body, headers });
    this.trim();
    return { offset, id, duplicate: false };
  }

  /** The first kept from an offset on. */
  from(offset: number): Event | undefined {
    return this.#events[this.#index(offset)];
  }

  /** As they are kept: not for whoever may change them. */
  read(offset: number, limit: number): Event[] {
    const index = this.#index(offset);
    return this.#events.slice(index, index + limit);
  }

  /** Offset from which a position reads. */
  offsetOf(position: Position): number {
    if (position === 'oldest') return this.oldest;
    if (position === 'newest') return this.#next;
    if ('offset' in position) return Number(position.offset);
    let [low, high] = [this.#removed, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle] as Event).publishedAt < position.time) low = middle + 1;
      else high = middle;
    }
    return this.oldest + low - this.#removed;
  }

  /** Removes what is too old or too much. */
  trim(): void {
    const before = Date.now() - this.#retention.age;
    for (let event = this.#events[this.#removed]; event; event = this.#events[this.#removed]) {
      if (event.publishedAt >= before && this.#bytes <= this.#retention.bytes) break;
      this.#bytes -= sizeOf(event);
      this.#removed++;
    }
    if (this.#removed > this.#events.length / 2) {
      this.#events = this.#events.slice(this.#removed);
      this.#removed = 0;
    }
    for (const group of this.groups.values()) group.forget(before);
  }

  info(): StreamInfo {
    this.trim();
    const events = this.#events.length - this.#removed;
    return {
      stream: this.name,
      events,
      bytes: this.#bytes,
      oldest: events === 0 ? undefined : BigInt(this.oldest),
      newest: events === 0 ? undefined : BigInt(this.#next - 1),
      groups: [...this.groups.values()]
        .map((group) => group.info())
        .sort((one, other) => compare(one.group, other.group)),
    };
  }

  #index(offset: number): number {
    return this.#removed + Math.max(0, offset - this.oldest);
  }
}

/** By code units, as SQLite compares ASCII. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
