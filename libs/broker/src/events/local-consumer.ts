import type { Consumer, Delivery, Event } from './events.js';
import { backoffAfter, type Ledger, type Lease, type Nothing, type Settlement } from './ledger.js';
import { checkedDelay, shortened, type Terms, tooLate } from './validation.js';

interface Reader {
  resolve(result: IteratorResult<Delivery>): void;
  reject(error: unknown): void;
}

/** The longest that is waited before looking again, in milliseconds: clocks may be set, machines sleep. */
const longestWait = 1_000;

/** A consumer in the process that keeps the group. It claims an event only for who waits for one: what nobody looks at is nobody's. */
export class LocalConsumer implements Consumer, AsyncIterator<Delivery> {
  readonly #ledger: Ledger;
  readonly #terms: Terms;
  readonly #left: () => void;
  readonly #signal: AbortSignal | undefined;
  // What it could not give back, nobody is there to be told.
  readonly #abort = () => void this.close().catch(() => undefined);
  readonly #readers: Reader[] = [];
  /** When each lease runs out, by this process's own clock. */
  readonly #held = new Map<Lease, number>();
  readonly #settled = new WeakSet<Lease>();
  readonly #settling = new Set<Promise<unknown>>();
  #pumping: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: {
    readonly ledger: Ledger;
    readonly terms: Terms;
    readonly signal: AbortSignal | undefined;
    /** Called once, when nothing is held any longer. */
    readonly left: () => void;
  }) {
    this.#ledger = options.ledger;
    this.#terms = options.terms;
    this.#left = options.left;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
    if (this.#signal?.aborted) this.#abort();
  }

  /** There may be something to give out. */
  wake(): void {
    if (this.#readers.length === 0 || this.#closed) return;
    this.#again = true;
    this.#pumping ??= this.#pump();
  }

  next(): Promise<IteratorResult<Delivery>> {
    if (this.#closed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.wake();
    });
  }

  async return(): Promise<IteratorResult<Delivery>> {
    await this.close();
    return { value: undefined, done: true };
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort);
    clearTimeout(this.#timer);
    for (const reader of this.#readers.splice(0)) reader.resolve({ value: undefined, done: true });
    try {
      await this.#pumping;
      await Promise.allSettled(this.#settling);
      await this.#giveBack([...this.#held.keys()]);
    } finally {
      this.#left();
    }
  }

  async #pump(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        const wait = await this.#fill();
        if (this.#again || wait === undefined || this.#closed) continue;
        this.#timer = setTimeout(() => this.wake(), Math.min(Math.max(wait, 1), longestWait));
      }
    } catch (error) {
      // Before `closed`, which would end them quietly.
      for (const reader of this.#readers.splice(0)) reader.reject(error);
      void this.close().catch(() => undefined);
    }
    this.#pumping = undefined;
  }

  /** Gives the readers what there is. Milliseconds after which there may be more; undefined: whoever has more says so. */
  async #fill(): Promise<number | undefined> {
    while (this.#readers.length > 0) {
      const full = this.#untilRoom();
      if (full !== undefined) return full;
      const claiming = this.#ledger.claim(this.#terms);
      // Not awaited without need: what is there comes within the turn in which it is asked for.
      const claimed: Lease | Nothing = claiming instanceof Promise ? await claiming : claiming;
      if ('wait' in claimed) return claimed.wait;
      this.#held.set(claimed, performance.now() + this.#terms.ackWait);
      // Closed meanwhile: #close() gives it back.
      this.#readers.shift()?.resolve({ value: this.#delivery(claimed), done: false });
    }
    return undefined;
  }

  /** Milliseconds until a lease of those that fill this consumer runs out; undefined while there is room. */
  #untilRoom(): number | undefined {
    if (this.#held.size < this.#terms.inFlight) return undefined;
    const now = performance.now();
    let first = Infinity;
    for (const [lease, until] of this.#held) {
      if (until <= now) this.#held.delete(lease);
      else first = Math.min(first, until);
    }
    return this.#held.size < this.#terms.inFlight ? undefined : first - now;
  }

  #delivery(lease: Lease): Delivery {
    const { event, attempt } = lease;
    let settled: Promise<void> | undefined;
    const settle = (settlement: Settlement): Promise<void> => {
      if (settled) return Promise.resolve();
      const settling = this.#settle(lease, settlement);
      settled = settling;
      settling.catch((error: { readonly code?: unknown }) => {
        // It could not be kept: that may be tried again.
        if (error.code !== 'aborted') settled = undefined;
      });
      return settling;
    };
    return {
      event,
      attempt,
      ack: () => settle({ outcome: 'ack' }),
      nack: async ({ delay, reason = '' } = {}) => {
        const wait = checkedDelay(delay) ?? backoffAfter(attempt, this.#terms);
        await settle({ outcome: 'nack', delay: wait, reason: shortened(reason) });
      },
      reject: (reason = '') => settle({ outcome: 'reject', reason: shortened(reason) }),
      extend: async () => {
        if (!settled) await this.#settle(lease, { outcome: 'extend', ackWait: this.#terms.ackWait });
      },
    };
  }

  async #settle(lease: Lease, settlement: Settlement): Promise<void> {
    const settling = this.#ledger.settle(lease, settlement);
    this.#settling.add(settling);
    let isDone: boolean;
    try {
      isDone = await settling;
    } finally {
      this.#settling.delete(settling);
    }
    if (isDone && settlement.outcome === 'extend') {
      // Also what was in these hands for too long, and nobody else's yet.
      if (!this.#settled.has(lease)) this.#held.set(lease, performance.now() + this.#terms.ackWait);
      return;
    }
    this.#settled.add(lease);
    this.#held.delete(lease);
    this.wake();
    if (!isDone) throw tooLate(lease.event.offset);
  }

  async #giveBack(leases: readonly Lease[]): Promise<void> {
    this.#held.clear();
    if (leases.length > 0) await this.#ledger.release(leases);
  }
}

/** What a consumer gets of an event, which others see too. */
export function ownCopy({ body, headers, ...event }: Event): Event {
  return { ...event, body: new Uint8Array(body), headers: { ...headers } };
}
