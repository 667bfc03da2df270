import { MicroError } from '@micro/errors';
import { lockProto } from '@micro/proto';
import type { Client, ClientOf } from '@micro/rpc';
import { canceled } from '../blob/validation.js';
import { explained } from '../remote-errors.js';
import { Holding } from './holding.js';
import { type AcquireOptions, type Grant, type LeaseOptions, type Lock, type LockPlace, Locks } from './locks.js';
import { checkedClaim, checkedId, checkedLock, checkedTtl, type Claim } from './validation.js';
import { type Look, Waiting } from './waiting.js';

/** Milliseconds for which the server waits in one call. */
const legMs = 10_000;
/** Milliseconds between two calls of one that waits. */
const betweenMs = 10;
/** Milliseconds that an answer may take. */
const patienceMs = 5_000;

/** The locks of apps/store, over RPC: what user services get. The client belongs to whoever gives it, and stays open. */
export class RemoteLocks extends Locks {
  readonly #calls: ClientOf<typeof lockProto.Locks>;
  readonly #waiting = new Waiting();
  readonly #holding = new Holding(this);
  /** Ends the calls that wait. */
  readonly #closing = new Set<AbortController>();

  constructor(client: Client) {
    super();
    this.#calls = client.of(lockProto.Locks);
  }

  override acquire(name: string, options?: AcquireOptions): Promise<Lock> {
    return this.#holding.acquire(name, options);
  }

  override async take(name: string, id: string, options?: AcquireOptions): Promise<Grant> {
    const claim = checkedClaim(name, id, options);
    // The first call only asks for a place: what happens from then on is waited out.
    let leg = 1;
    return this.#waiting.take(claim, async (left) => {
      const look = await this.#ask(claim, Math.min(left, leg));
      leg = legMs;
      return look;
    });
  }

  override async renew(name: string, id: string, options?: LeaseOptions): Promise<void> {
    this.#waiting.check();
    const { database, table } = placed(checkedLock(name, options));
    const ttlMs = checkedTtl(options);
    // One that hangs must not be the last.
    const call = { namespace: database, timeout: Math.min(patienceMs, ttlMs / 3) };
    await told(this.#calls.renew({ name, table, id: checkedId(id), ttlMs }, call));
  }

  override async release(name: string, id: string, options?: LockPlace): Promise<void> {
    this.#waiting.check();
    const lock = checkedLock(name, options);
    const { database, table } = placed(lock);
    await told(this.#calls.release({ name, table, id: checkedId(id) }, { namespace: database }));
    this.#waiting.freed(lock.key);
  }

  override async close(): Promise<void> {
    await this.#holding.close();
    this.#waiting.close();
    for (const giving of this.#closing) giving.abort();
  }

  async #ask(claim: Claim, wait: number): Promise<Look> {
    const { database, table } = placed(claim);
    const { name, id, ttl, signal } = claim;
    const giving = new AbortController();
    const leave = () => giving.abort();
    signal?.addEventListener('abort', leave, { once: true });
    this.#closing.add(giving);
    try {
      const request = { name, table, id, ttlMs: ttl, waitMs: Math.ceil(wait) };
      const call = { namespace: database, signal: giving.signal, timeout: wait + patienceMs };
      return await told(this.#calls.acquire(request, call));
    } catch (error) {
      this.#waiting.check();
      if (signal?.aborted) throw canceled();
      if (MicroError.from(error).code === 'aborted') return { token: undefined, again: betweenMs };
      throw error;
    } finally {
      this.#closing.delete(giving);
      signal?.removeEventListener('abort', leave);
    }
  }
}

function placed({ place }: { readonly place: string }): { readonly database: string; readonly table: string } {
  const [database = '', table = ''] = place.split('/');
  return { database, table };
}

async function told<T>(call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    throw explained(error);
  });
}
