import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type { Platform } from '@micro/platform';
import { type CallScope, currentCall, inTurns, outsideCalls, runInScope } from '@micro/rpc';
import { endWithService, logger, openPlatform, stopGrace } from './process-platform.js';

/** Where a flow comes from, once it is in force. */
export interface Source<T> {
  next(): Promise<IteratorResult<T>>;
  close(): Promise<unknown>;
}

/** An iterable as a source. */
export function sourceOf<T>(items: AsyncIterable<T>): Source<T> {
  const iterator = items[Symbol.asyncIterator]();
  return { next: () => iterator.next(), close: async () => iterator.return?.() };
}

/** What `make` makes of each item of a source; those of which it makes nothing are left out. */
export function made<T, U>(source: Source<T>, make: (item: T) => Promise<U | undefined>): Source<U> {
  const next = async (): Promise<IteratorResult<U>> => {
    for (;;) {
      const result = await source.next();
      if (result.done) return done;
      const value = await make(result.value);
      if (value !== undefined) return { value, done: false };
    }
  };
  return { next, close: () => source.close() };
}

export interface FlowOptions<T> {
  /** For the log: `topic orders.placed`. */
  readonly what: string;
  readonly open: (platform: Platform) => Promise<Source<T>>;
  /** Whose call, trace and namespace an item belongs to. Default: to whoever takes it. */
  readonly scope?: (item: T) => CallScope;
  /** What is given out instead of an item that somebody has in hands until `over` is called: a flow that stops waits for that. */
  readonly holding?: (item: T, over: () => void) => T;
  readonly signal?: AbortSignal;
}

const done = { value: undefined, done: true } as const;
const retry = { first: 100, most: 2_000 } as const;

/**
 * What comes to a loop of this process: messages, deliveries, changes. Ends when the loop is left, its signal aborts, or the service stops;
 * then, as with calls, the round that has begun and what is held may come to their end first.
 */
export class Flow<T> implements AsyncIterable<T>, AsyncDisposable {
  /** Resolves when it is in force; rejects where it cannot be, as the loop does. */
  readonly ready: Promise<void>;
  readonly #options: FlowOptions<T>;
  readonly #stopping = new AbortController();
  readonly #ended = new AbortController();
  readonly #opening: Promise<Source<T> | undefined>;
  readonly #forget: () => void;
  /** What its rounds belong to. */
  readonly #rounds = new WeakSet<CallScope>();
  #source: Source<T> | undefined;
  /** Whether the loop is in the middle of a round. */
  #busy = false;
  #held = 0;
  #settle: (() => void) | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: FlowOptions<T>) {
    this.#options = options;
    this.#forget = endWithService(this);
    this.#opening = outsideCalls(() => this.#open());
    this.ready = this.#opening.then(() => undefined);
    // Whoever iterates is told; `ready` is for those who want to know before.
    this.ready.catch(() => this.#forget());
    const { signal } = options;
    if (!signal) return;
    const stop = () => void this.stop(stopGrace());
    signal.addEventListener('abort', stop, { once: true });
    this.#ended.signal.addEventListener('abort', () => signal.removeEventListener('abort', stop), { once: true });
    if (signal.aborted) stop();
  }

  /** Aborts when it takes nothing more. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Aborts when all is over, what is held included. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  async next(): Promise<IteratorResult<T>> {
    this.#busy = false;
    this.#settled();
    try {
      const source = await this.#opening;
      const result = source && !this.#stopping.signal.aborted ? await source.next() : done;
      // What came too late is dropped, or given out again elsewhere.
      if (this.#stopping.signal.aborted) return done;
      if (result.done) {
        await this.close();
        return done;
      }
      this.#busy = true;
      const { holding } = this.#options;
      return holding ? { value: holding(result.value, this.hold()), done: false } : result;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<T>> {
    await this.close();
    return done;
  }

  /** Keeps a flow that stops from ending until what this returns is called. */
  hold(): () => void {
    this.#held++;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#held--;
      this.#settled();
    };
  }

  /** Runs what is done for an item. */
  within<R>(item: T, work: () => R): R {
    return this.#options.scope ? runInScope(this.#round(item), work) : work();
  }

  /** Takes nothing more, and ends as soon as the round and what is held are over, or the time is. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const current = currentCall();
    // A round that ends everything is not waited for: it waits for this.
    const within = current !== undefined && this.#rounds.has(current);
    if (!within && (this.#busy || this.#held > 0)) {
      const settled = new Promise<void>((resolve) => (this.#settle = resolve));
      await Promise.race([settled, sleep(graceMs, undefined, { signal: this.#ended.signal }).catch(() => undefined)]);
    }
    await this.close();
  }

  /** Ends it at once. */
  close(): Promise<void> {
    return (this.#ending ??= this.#close());
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#options.scope ? inTurns(this, (item) => this.#round(item)) : this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #round(item: T): CallScope {
    const scope = this.#options.scope?.(item) as CallScope;
    this.#rounds.add(scope);
    return scope;
  }

  #settled(): void {
    if (!this.#busy && this.#held === 0) this.#settle?.();
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    this.#forget();
    // What is not open yet is closed as soon as it is, and not waited for.
    if (this.#source) await this.#source.close();
    this.#ended.abort();
  }

  /** A platform that is away comes back: it is waited for, as everywhere else. */
  async #open(): Promise<Source<T> | undefined> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const source = await this.#options.open(await openPlatform());
        if (this.#ending) return void (await source.close());
        return (this.#source = source);
      } catch (error) {
        const { code, detail } = MicroError.from(error);
        if (code !== 'unavailable' && code !== 'deadline_exceeded') throw error;
        if (failures === 0) logger.warn(`${this.#options.what} cannot be had yet: ${detail}; trying on`);
        const wait = Math.min(retry.first * 2 ** failures, retry.most) * (0.75 + Math.random() / 2);
        await sleep(wait, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }
}
