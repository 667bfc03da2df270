import { MicroError } from '@micro/errors';
import { currentCall } from '@micro/rpc';
import { canceled } from '../blob/validation.js';
import type { Grant } from './locks.js';
import { type Claim, closed, taken } from './validation.js';

/** Milliseconds for which a place in the queue is kept after whoever has it last asked. */
export const placeMs = 2_000;
/** Milliseconds between two looks of those who wait, at most: so that they keep their places, also on a busy machine. */
export const lookMs = 500;

/** What a look at a lock gave: its token, or in how many milliseconds another look is worth it, and behind whom it waits, where that is known. */
export type Look =
  { readonly token: bigint } | { readonly token: undefined; readonly again: number; readonly behind?: string };

/** One that waits in this process. */
interface Waiter {
  woken: boolean;
  behind: string | undefined;
  wake: () => void;
}

/** Those who wait for locks in this process: they look when it may be their turn, or when they hear that a lock is free. */
export class Waiting {
  /** By lock, in the order in which they came. */
  readonly #waiters = new Map<string, Set<Waiter>>();
  readonly #ending = new Set<() => void>();
  #closed = false;

  check(): void {
    if (this.#closed) throw closed();
  }

  /**
   * Looks until the lock is had, or it has been waited for as long as it should. `look` is told how many milliseconds are left for waiting: 0
   * asks for no place in the queue. What fails after the first look is a fault that passes, and waited out like everything else.
   */
  async take(claim: Claim, look: (left: number) => Promise<Look>): Promise<Grant> {
    this.check();
    // Whoever called may be gone before the lock is had.
    const signals = [claim.signal, currentCall()?.signal].filter((signal) => signal !== undefined);
    if (signals.some(({ aborted }) => aborted)) throw canceled();
    const end = performance.now() + claim.wait;
    const waiter = this.#begin(claim.key);
    try {
      for (let first = true; ; first = false) {
        const since = performance.now();
        waiter.woken = false;
        const seen = await this.#unlessClosed(look(Math.max(0, end - since))).catch((error: unknown) => {
          this.check();
          if (first || !passes(error)) throw error;
          return { token: undefined, again: lookMs, behind: undefined };
        });
        if (seen.token !== undefined) return { token: seen.token, since };
        waiter.behind = seen.behind;
        const left = end - performance.now();
        if (left <= 0) throw taken(claim, claim);
        await this.#pause(waiter, signals, Math.min(left, seen.again));
      }
    } finally {
      this.#end(claim.key, waiter);
    }
  }

  /** The lock is free, or somebody left the queue for it: `gone`, where that is known. Whose turn it may be looks. */
  freed(key: string, gone?: string): void {
    const waiters = [...(this.#waiters.get(key) ?? [])];
    const next = gone === undefined ? waiters[0] : waiters.find(({ behind }) => behind === gone);
    if (!next) return;
    next.woken = true;
    next.wake();
  }

  /** Whether somebody here waits for a lock. */
  waitFor(key: string): boolean {
    return this.#waiters.has(key);
  }

  close(): void {
    this.#closed = true;
    for (const end of [...this.#ending]) end();
  }

  #begin(key: string): Waiter {
    const waiter: Waiter = { woken: false, behind: undefined, wake: () => undefined };
    const waiters = this.#waiters.get(key) ?? new Set();
    this.#waiters.set(key, waiters.add(waiter));
    return waiter;
  }

  #end(key: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(key);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(key);
    // It heard, and did not look any more: the next one shall.
    if (waiter.woken) this.freed(key);
  }

  /** What is asked for when it is closed may not be answered for a while. */
  #unlessClosed<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => reject(closed());
      this.#ending.add(end);
      work.then(resolve, reject).finally(() => this.#ending.delete(end));
    });
  }

  #pause(waiter: Waiter, signals: readonly AbortSignal[], ms: number): Promise<void> {
    this.check();
    if (signals.some(({ aborted }) => aborted)) return Promise.reject(canceled());
    if (waiter.woken) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => () => {
        clearTimeout(timer);
        for (const signal of signals) signal.removeEventListener('abort', abort);
        this.#ending.delete(end);
        waiter.wake = () => undefined;
        settle();
      };
      const abort = done(() => reject(canceled()));
      const end = done(() => reject(closed()));
      // Keeps the process alive: whoever waits for a lock means to get it.
      const timer = setTimeout(done(resolve), Math.max(1, ms));
      for (const signal of signals) signal.addEventListener('abort', abort, { once: true });
      this.#ending.add(end);
      waiter.wake = done(resolve);
    });
  }
}

/** Whether waiting may help. */
function passes(error: unknown): boolean {
  // Aborted is a look where others looked at the same moment.
  return ['unavailable', 'deadline_exceeded', 'resource_exhausted', 'aborted'].includes(MicroError.from(error).code);
}
