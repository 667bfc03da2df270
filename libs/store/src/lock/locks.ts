/** Whose lock: a database is a tenant's, a table a service's, as with records. */
export interface LockPlace {
  /** Default `micro`. */
  readonly database?: string;
  /** Default `micro`. */
  readonly table?: string;
}

export interface LeaseOptions extends LockPlace {
  /**
   * Milliseconds, 1,000 to 86,400,000, for which the lock is had from each renewal on, by the clock of whatever keeps it. Default 30,000. It may
   * be kept a little longer, never shorter.
   */
  readonly ttl?: number;
}

export interface AcquireOptions extends LeaseOptions {
  /** Milliseconds to wait for it while somebody else has it; 0: not at all. Default: until it is had; in a call that is being answered, to its end. */
  readonly wait?: number;
  /** Gives the waiting up, with MicroError `canceled`. */
  readonly signal?: AbortSignal;
}

/** A lock that is had. It is renewed by itself, every third of its ttl, until it is released or lost; it does not keep the process alive. */
export interface Lock {
  readonly name: string;
  /**
   * The fencing token: greater than that of everyone who had this lock before, for ever, whatever was killed, expired or restarted in between.
   * What the lock guards can refuse a smaller token than the greatest that it has seen (fence.ts): only that makes it safe from a holder that
   * was stopped for longer than ttl and does not know it yet.
   */
  readonly token: bigint;
  /**
   * Aborts when the lock is lost, or may be: the reason is MicroError `aborted` if somebody else may have it, or because nine tenths of ttl
   * have passed since the last renewal that succeeded. A lock that was lost stays lost. Released, it aborts with `canceled`.
   */
  readonly signal: AbortSignal;
  /**
   * Whether it is had still, as far as the clocks of this process tell at this moment; finds out what `signal`, in a process that was stopped,
   * has had no time to tell.
   */
  readonly held: boolean;
  /** Renews it now. MicroError `aborted` if it is lost; `unavailable` if nobody could be asked: it is had until it would be lost anyway. */
  renew(): Promise<void>;
  /**
   * Gives it to whoever waits next. A second call does nothing, one on a lost lock neither. `unavailable`: it is free when ttl has passed, or
   * another call has released it.
   */
  release(): Promise<void>;
}

/** What `take` gives. */
export interface Grant {
  readonly token: bigint;
  /** A moment of `performance.now()` before which it was not granted: ttl counts from there at the earliest. */
  readonly since: number;
}

/** Of every adapter. */
export const lockLimits = {
  /** Of a lock's name, in bytes of UTF-8; at least 1. */
  nameBytes: 512,
  /** Of a time to live, in milliseconds. */
  leastTtl: 1_000,
  ttl: 86_400_000,
} as const;

export const defaultTtl = 30_000;

/**
 * Locks under names: the contract, and its token in Nest. A name is any text of 1 to 512 bytes of UTF-8; at most one has the lock of a name at a
 * time. Those who wait get it in the order in which they came, as far as they still wait: who died waiting is passed over within seconds.
 * MicroError `invalid_argument` for a name or option that is not legal, `unavailable` when the locks cannot be reached or are closed.
 *
 * A lock belongs to the id that took it and to its ttl, to no connection and no process: it outlives both for as long as it is renewed.
 */
export abstract class Locks {
  /** Has the lock, for the caller alone, and keeps it. MicroError `aborted` if somebody else has it still when `wait` is over. */
  abstract acquire(name: string, options?: AcquireOptions): Promise<Lock>;

  /**
   * As `acquire`, but nothing renews it: for a server that asks on behalf of others. `id` is the caller's own, 1 to 100 letters, digits, `.`, `_`
   * and `-`. Whoever has the lock already by that id gets it again, with the same token, for another ttl; whoever waited by it, and asks again
   * within two seconds, keeps the place in the queue. After `unavailable` the lock may be had: ask again, or release it.
   */
  abstract take(name: string, id: string, options?: AcquireOptions): Promise<Grant>;

  /** Has it for another ttl from now on. MicroError `aborted` if `id` does not have it any more. */
  abstract renew(name: string, id: string, options?: LeaseOptions): Promise<void>;

  /** Gives up the lock, or the place in the queue. One that `id` does not have is no error. */
  abstract release(name: string, id: string, options?: LockPlace): Promise<void>;

  /** Releases what was acquired here, gives up what is waited for; later calls fail with `unavailable`. A second call does nothing. */
  abstract close(): Promise<void>;
}
