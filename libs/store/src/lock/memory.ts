import { Holding } from './holding.js';
import { type AcquireOptions, type Grant, type LeaseOptions, type Lock, type LockPlace, Locks } from './locks.js';
import { checkedClaim, checkedId, checkedLock, checkedTtl, type Claim, lost } from './validation.js';
import { type Look, lookMs, placeMs, Waiting } from './waiting.js';

/** Times are of `performance.now()`. */
interface Kept {
  holder: { readonly id: string; readonly token: bigint; expires: number } | undefined;
  /** Who waits, the first in front. */
  queue: { readonly id: string; until: number }[];
}

/** Locks of this process, for tests. */
export class MemoryLocks extends Locks {
  readonly #locks = new Map<string, Kept>();
  readonly #waiting = new Waiting();
  readonly #holding = new Holding(this);
  #token = 0n;

  override acquire(name: string, options?: AcquireOptions): Promise<Lock> {
    return this.#holding.acquire(name, options);
  }

  override async take(name: string, id: string, options?: AcquireOptions): Promise<Grant> {
    const claim = checkedClaim(name, id, options);
    return this.#waiting.take(claim, async (left) => this.#look(claim, left > 0));
  }

  override async renew(name: string, id: string, options?: LeaseOptions): Promise<void> {
    this.#waiting.check();
    const lock = checkedLock(name, options);
    const holder = this.#kept(lock.key).holder;
    if (holder?.id !== checkedId(id)) throw lost(lock, 'somebody else may have it');
    holder.expires = performance.now() + checkedTtl(options);
  }

  override async release(name: string, id: string, options?: LockPlace): Promise<void> {
    this.#waiting.check();
    const { key } = checkedLock(name, options);
    checkedId(id);
    const kept = this.#kept(key);
    if (kept.holder?.id === id) kept.holder = undefined;
    kept.queue = kept.queue.filter((waiter) => waiter.id !== id);
    if (!kept.holder && kept.queue.length === 0) this.#locks.delete(key);
    this.#waiting.freed(key);
  }

  override async close(): Promise<void> {
    await this.#holding.close();
    this.#waiting.close();
    this.#locks.clear();
  }

  #look({ key, id, ttl }: Claim, queue: boolean): Look {
    const now = performance.now();
    const kept = this.#kept(key);
    const { holder } = kept;
    if (holder?.id === id) {
      holder.expires = now + ttl;
      return holder;
    }
    const [first] = kept.queue;
    if (!holder && (!first || first.id === id)) {
      kept.queue = kept.queue.slice(1);
      kept.holder = { id, token: ++this.#token, expires: now + ttl };
      this.#locks.set(key, kept);
      return kept.holder;
    }
    const own = kept.queue.find((waiter) => waiter.id === id);
    if (own) own.until = now + placeMs;
    else if (queue) kept.queue.push({ id, until: now + placeMs });
    return { token: undefined, again: Math.min(lookMs, ((holder ? holder.expires : first?.until) ?? now) - now) };
  }

  /** Without what has expired. */
  #kept(key: string): Kept {
    const now = performance.now();
    const kept = this.#locks.get(key) ?? { holder: undefined, queue: [] };
    if (kept.holder && kept.holder.expires <= now) kept.holder = undefined;
    kept.queue = kept.queue.filter(({ until }) => until > now);
    return kept;
  }
}
