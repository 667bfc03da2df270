import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AcquireOptions,
  type Change,
  type Fence,
  fenced as fencedIn,
  type Grant,
  type LeaseOptions,
  type Lock,
  type LockPlace,
  Locks,
  type TableOptions,
} from '@micro/store';
import { opened, placed, store } from './own-store.js';
import { endWithService } from './process-platform.js';

/** Locks as a service has them: where it names neither database nor table, its namespace's and its own. Released with the process's last service. */
class OwnLocks extends Locks {
  override async acquire(name: string, options?: AcquireOptions): Promise<Lock> {
    const platform = await opened();
    return platform.locks.acquire(name, placed(platform, options));
  }

  override async take(name: string, id: string, options?: AcquireOptions): Promise<Grant> {
    const platform = await opened();
    return platform.locks.take(name, id, placed(platform, options));
  }

  override async renew(name: string, id: string, options?: LeaseOptions): Promise<void> {
    const platform = await opened();
    await platform.locks.renew(name, id, placed(platform, options));
  }

  override async release(name: string, id: string, options?: LockPlace): Promise<void> {
    const platform = await opened();
    await platform.locks.release(name, id, placed(platform, options));
  }

  /** Nothing: they are the process's, and closed with it. */
  override async close(): Promise<void> {}
}

/** Locks under names: the contract of locks, with the service's own place as default. */
export const locks: Locks = new OwnLocks();

/**
 * Does work that nobody else does at the same time: waits for the lock, has it renewed for as long as the work goes on, and releases it. Returns
 * what the work does. Where the lock was lost meanwhile, which `lock.signal` tells the work, that is MicroError `aborted`, whatever it returned.
 *
 * ```ts
 * await lock('invoices', { wait: 60_000 }, async ({ signal, token }) => …);
 * ```
 *
 * A service that stops waits for work that has begun, as for calls; then its signal aborts.
 */
export async function lock<T>(name: string, work: (lock: Lock) => Promise<T>): Promise<T>;
export async function lock<T>(name: string, options: AcquireOptions, work: (lock: Lock) => Promise<T>): Promise<T>;
export async function lock<T>(
  name: string,
  given: AcquireOptions | ((lock: Lock) => Promise<T>),
  last?: (lock: Lock) => Promise<T>,
): Promise<T> {
  const [options, work] = typeof given === 'function' ? [{}, given] : [given, last as (lock: Lock) => Promise<T>];
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  options.signal?.addEventListener('abort', stop, { once: true });
  if (options.signal?.aborted) stop();
  const working = within(name, { ...options, signal: stopping.signal }, work);
  const forget = endWithService({
    stop: async (graceMs) => {
      stop();
      const over = new AbortController();
      const ended = working.catch(() => undefined).finally(() => over.abort());
      await Promise.race([ended, sleep(graceMs, undefined, { signal: over.signal }).catch(() => undefined)]);
    },
  });
  try {
    return await working;
  } finally {
    forget();
    options.signal?.removeEventListener('abort', stop);
  }
}

/**
 * Makes changes of records on behalf of whoever has a lock: refused with MicroError `failed_precondition` once somebody who had it later has been
 * here. `key` is that of a record, beside those that are changed, which holds the greatest token. Without a change it only keeps everyone
 * before out: that comes first, then what is read can be relied on.
 */
export async function fenced(
  fence: Fence,
  changes: readonly Change[] = [],
  options?: TableOptions,
): Promise<readonly bigint[]> {
  return fencedIn(store, fence, changes, options);
}

async function within<T>(name: string, options: AcquireOptions, work: (lock: Lock) => Promise<T>): Promise<T> {
  const held = await locks.acquire(name, options);
  try {
    const result = await work(held);
    if (!held.held) throw held.signal.reason;
    return result;
  } finally {
    // What cannot be released is free when its ttl has passed.
    await held.release().catch(() => undefined);
  }
}
