import { randomUUID } from 'node:crypto';
import { MicroError } from '@micro/errors';
import { outsideCalls } from '@micro/rpc';
import { quote } from '../blob/validation.js';
import type { AcquireOptions, Grant, LeaseOptions, Lock, Locks } from './locks.js';
import { checkedClaim, closed, lost } from './validation.js';

/** Parts of ttl: a renewal is sent after one; all but this much of it have passed when the lock counts as lost; after that much one that failed is sent again. */
const renewAfter = 1 / 3;
const lostAfter = 9 / 10;
const retryAfter = 1 / 20;

/** What the locks that an adapter acquires need of it. */
type Keeper = Pick<Locks, 'take' | 'renew' | 'release'>;

/** The locks that were acquired here, each kept until it is released or lost. */
export class Holding {
  readonly #keeper: Keeper;
  readonly #held = new Set<HeldLock>();
  /** What is being acquired, by what gives it up. */
  readonly #acquiring = new Map<AbortController, Promise<Lock>>();
  #closed = false;

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
  }

  async acquire(name: string, options: AcquireOptions = {}): Promise<Lock> {
    if (this.#closed) throw closed();
    const { signal } = options;
    const giving = new AbortController();
    const give = () => giving.abort();
    if (signal?.aborted) give();
    signal?.addEventListener('abort', give, { once: true });
    const acquiring = this.#acquire(name, { ...options, signal: giving.signal });
    this.#acquiring.set(giving, acquiring);
    try {
      return await acquiring;
    } finally {
      this.#acquiring.delete(giving);
      signal?.removeEventListener('abort', give);
    }
  }

  /** Releases them all, and gives up what is waited for; what cannot be released now is free when its ttl has passed. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const giving of this.#acquiring.keys()) giving.abort();
    await Promise.allSettled([...this.#acquiring.values(), ...[...this.#held].map((lock) => lock.release())]);
  }

  async #acquire(name: string, options: AcquireOptions): Promise<Lock> {
    const id = randomUUID();
    const { ttl, wait } = checkedClaim(name, id, options);
    const { database, table } = options;
    const lease = { database, table, ttl };
    // The lock where the answer got lost, else a place in the queue that nobody wants.
    const leave = () => outsideCalls(() => this.#keeper.release(name, id, lease)).catch(() => undefined);
    const grant = await this.#keeper.take(name, id, options).catch(async (error: unknown) => {
      const leaving = wait > 0 || MicroError.from(error).code !== 'aborted' ? leave() : undefined;
      if (!this.#closed) throw error;
      await leaving;
      throw closed();
    });
    if (this.#closed) {
      await leave();
      throw closed();
    }
    const lock = new HeldLock(this.#keeper, { name, id, lease, ttl, grant, ended: () => this.#held.delete(lock) });
    this.#held.add(lock);
    try {
      // How long it took to hear of it nobody knows.
      if (performance.now() - grant.since > ttl * renewAfter) await lock.renew();
      return lock;
    } catch (error) {
      lock.release().catch(() => undefined);
      throw error;
    }
  }
}

interface Held {
  readonly name: string;
  readonly id: string;
  readonly lease: LeaseOptions;
  readonly ttl: number;
  readonly grant: Grant;
  readonly ended: () => void;
}

class HeldLock implements Lock {
  readonly name: string;
  readonly token: bigint;
  readonly #keeper: Keeper;
  readonly #held: Held;
  readonly #ending = new AbortController();
  /** When what last succeeded was sent, by both clocks. */
  #since: Moment;
  #renewal: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #failure: unknown;
  #released: Promise<void> | undefined;
  /** Whether it was had, and to release it has failed. */
  #unreleased = false;

  constructor(keeper: Keeper, held: Held) {
    this.#keeper = keeper;
    this.#held = held;
    this.name = held.name;
    this.token = held.grant.token;
    this.#since = momentOf(held.grant.since);
    this.#wait();
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  get held(): boolean {
    const { name, ttl } = this.#held;
    const passed = elapsed(this.#since);
    if (!this.signal.aborted && passed >= ttl * lostAfter) {
      const because = this.#failure === undefined ? '' : ` (${MicroError.from(this.#failure).detail})`;
      this.#end(
        lost({ name }, `it was not renewed for ${Math.round(passed)} ms of the ${ttl} for which it is had${because}`),
      );
    }
    return !this.signal.aborted;
  }

  async renew(): Promise<void> {
    if (!this.held) throw this.signal.reason;
    const { name, id, lease } = this.#held;
    const sent = momentOf(performance.now());
    try {
      await outsideCalls(() => this.#keeper.renew(name, id, lease));
    } catch (error) {
      this.#failure = error;
      if (MicroError.from(error).code === 'aborted') this.#end(error);
      throw error;
    }
    if (!this.held) throw this.signal.reason;
    this.#failure = undefined;
    if (sent.steady > this.#since.steady) this.#since = sent;
    this.#wait();
  }

  release(): Promise<void> {
    const wasHeld = this.held || this.#unreleased;
    const { name, id, lease } = this.#held;
    this.#end(new MicroError('canceled', `the lock ${quote(name)} has been released`, { id: 'store' }));
    this.#released ??= outsideCalls(() => this.#keeper.release(name, id, lease)).catch((error: unknown) => {
      if (!wasHeld) return;
      this.#unreleased = true;
      this.#released = undefined;
      throw error;
    });
    return this.#released;
  }

  #wait(): void {
    if (this.signal.aborted) return;
    const { ttl } = this.#held;
    const passed = elapsed(this.#since);
    clearTimeout(this.#renewal);
    clearTimeout(this.#deadline);
    // Renewals are no part of the call in which the lock was acquired, and do not end with it.
    outsideCalls(() => {
      this.#renewal = setTimeout(() => this.#renew(), ttl * renewAfter - passed).unref();
      this.#deadline = setTimeout(() => this.held && this.#wait(), ttl * lostAfter - passed).unref();
    });
  }

  #renew(): void {
    // Of those that hang there may be several: another may get through.
    this.#renewal = setTimeout(() => this.#renew(), this.#held.ttl * renewAfter).unref();
    this.renew().catch(() => {
      if (this.signal.aborted) return;
      clearTimeout(this.#renewal);
      this.#renewal = setTimeout(() => this.#renew(), this.#held.ttl * retryAfter).unref();
    });
  }

  #end(reason: unknown): void {
    clearTimeout(this.#renewal);
    clearTimeout(this.#deadline);
    this.#held.ended();
    this.#ending.abort(reason);
  }
}

/** By a clock that nobody sets, and by one that goes on while the machine sleeps. */
interface Moment {
  readonly steady: number;
  readonly wall: number;
}

function momentOf(steady: number): Moment {
  return { steady, wall: Date.now() - (performance.now() - steady) };
}

/** Milliseconds, of both clocks the more: rather lost too early than too late. */
function elapsed({ steady, wall }: Moment): number {
  return Math.max(performance.now() - steady, Date.now() - wall);
}
