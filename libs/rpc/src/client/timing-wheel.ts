/** Milliseconds between two looks at the wheel: a deadline fires at most this late, never early. */
const tick = 5;
/** One turn of the wheel is 2.56 s: most calls are over long before, and the default deadline of 5 s takes two turns. */
const slots = 512;
/** Behind by more than this the process was blocked or stopped: answers that have arrived meanwhile are read before deadlines are enforced. */
const blocked = 100;

/** Something that happens at a given time unless it is taken off the wheel before. One entry is on a wheel at most once. */
export abstract class Timed {
  /** @internal The list of its slot: itself when it is on no wheel. */
  next: Timed = this;
  /** @internal */
  previous: Timed = this;
  /** @internal The tick at which it expires. */
  due = 0;

  /** Called once, off the wheel. */
  abstract expire(): void;
}

/** The head of a slot's circular list. */
class Slot extends Timed {
  expire(): void {
    throw new Error('a slot does not expire');
  }
}

/**
 * Deadlines of calls: put on and taken off at the price of a few assignments, where a `setTimeout` for each call would cost a timer object
 * and a place in a queue. Nearly all are taken off again. Runs a single timer, and none while it is empty.
 */
export class TimingWheel {
  readonly #slots: readonly Slot[] = Array.from({ length: slots }, () => new Slot());
  readonly #origin = performance.now();
  /** Every tick up to this one has been looked at. */
  #seen = 0;
  #size = 0;
  #timer: NodeJS.Timeout | undefined;

  get size(): number {
    return this.#size;
  }

  /** `at` in milliseconds of `performance.now()`; a time that has passed expires with the next tick. */
  add(entry: Timed, at: number): void {
    if (!this.#timer) this.#start();
    const due = Math.max(this.#seen + 1, Math.ceil((at - this.#origin) / tick));
    const slot = this.#slots[due % slots] as Slot;
    entry.due = due;
    entry.previous = slot.previous;
    entry.next = slot;
    slot.previous.next = entry;
    slot.previous = entry;
    this.#size++;
  }

  /** Takes an entry off; one that is not on the wheel, or has expired, is left alone. */
  remove(entry: Timed): void {
    if (entry.next === entry) return;
    entry.previous.next = entry.next;
    entry.next.previous = entry.previous;
    entry.next = entry;
    entry.previous = entry;
    this.#size--;
  }

  #start(): void {
    this.#seen = this.#now();
    this.#timer = setInterval(() => this.#turn(), tick);
  }

  #now(): number {
    return Math.floor((performance.now() - this.#origin) / tick);
  }

  #turn(): void {
    const now = this.#now();
    // After a blockage the poll phase, which comes before immediates, first hands out what the sockets hold.
    if ((now - this.#seen) * tick > blocked) setImmediate(() => this.#expireUntil(now));
    else this.#expireUntil(now);
  }

  #expireUntil(now: number): void {
    const first = Math.max(this.#seen + 1, now - slots + 1);
    this.#seen = Math.max(this.#seen, now);
    for (let at = first; at <= now; at++) this.#expireSlot(this.#slots[at % slots] as Slot, now);
    if (this.#size === 0 && this.#timer) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #expireSlot(slot: Slot, now: number): void {
    let entry = slot.next;
    while (entry !== slot) {
      const next = entry.next;
      if (entry.due <= now) {
        this.remove(entry);
        entry.expire();
        // What expired may have changed the list behind our back: begin again, what is due is off it.
        entry = slot.next;
      } else {
        entry = next;
      }
    }
  }
}

/** The wheel of all clients of this process. */
export const deadlines = new TimingWheel();
