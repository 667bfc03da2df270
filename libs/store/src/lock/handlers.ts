import { MicroError } from '@micro/errors';
import type { lockProto } from '@micro/proto';
import type { CallContext } from '@micro/rpc';
import { defaultTable } from '../store.js';
import { databaseOf } from '../tenant.js';
import type { LeaseOptions, LockPlace, Locks } from './locks.js';

/** Milliseconds for which one call waits at most: so that a connection that nobody uses any more is found out. */
export const longestWait = 20_000;

/** Locks as the service of lock.proto: each method is one call on the contract, in the database of the caller. */
export class LocksHandlers {
  readonly #locks: Locks;
  /** Calls that wait, each with who waits for what, and until when. */
  readonly #waiting = new Map<AbortController, { readonly waiter: string; readonly over: Promise<unknown> }>();
  #stopping = false;

  constructor(locks: Locks) {
    this.#locks = locks;
  }

  async acquire(request: lockProto.AcquireLockRequest, context: CallContext): Promise<lockProto.AcquireLockResponse> {
    const { name, id, waitMs } = request;
    const lease = leaseOf(request, context);
    const giving = new AbortController();
    const leave = () => giving.abort();
    context.signal.addEventListener('abort', leave, { once: true });
    const wait = this.#stopping ? 0 : Math.min(waitMs, longestWait);
    const taking = this.#locks.take(name, id, { ...lease, wait, signal: giving.signal });
    this.#waiting.set(giving, { waiter: waiterOf(name, id, lease), over: taking.catch(() => undefined) });
    try {
      const { token } = await taking;
      return { token };
    } catch (error) {
      if (!this.#stopping || context.signal.aborted || !giving.signal.aborted) throw error;
      throw new MicroError('unavailable', 'the locks stop: ask again', { id: 'store' });
    } finally {
      this.#waiting.delete(giving);
      context.signal.removeEventListener('abort', leave);
    }
  }

  async renew(request: lockProto.RenewLockRequest, context: CallContext): Promise<lockProto.RenewLockResponse> {
    await this.#locks.renew(request.name, request.id, leaseOf(request, context));
    return {};
  }

  async release(request: lockProto.ReleaseLockRequest, context: CallContext): Promise<lockProto.ReleaseLockResponse> {
    const { name, id } = request;
    // A call that nobody waits for any more, which may not have been noticed yet, would have the lock next, or is just getting it.
    const place = placeOf(request, context);
    const gone = waiterOf(name, id, place);
    const calls = [...this.#waiting].filter(([, { waiter }]) => waiter === gone);
    for (const [giving] of calls) giving.abort();
    await Promise.all(calls.map(([, { over }]) => over));
    await this.#locks.release(name, id, place);
    return {};
  }

  /** Ends the waiting, which might last as long as a stop may, so that their server can stop. Who waited asks the next one, and keeps the place. */
  stop(): void {
    this.#stopping = true;
    for (const giving of this.#waiting.keys()) giving.abort();
  }
}

/** An id is somebody else's in another place, and may want several locks. */
function waiterOf(name: string, id: string, { database, table = defaultTable }: LockPlace): string {
  return JSON.stringify([database, table, name, id]);
}

function leaseOf(request: lockProto.RenewLockRequest, context: CallContext): LeaseOptions {
  return { ...placeOf(request, context), ttl: request.ttlMs || undefined };
}

function placeOf(
  { database, table }: { readonly database: string; readonly table: string },
  { namespace }: CallContext,
): LockPlace {
  return { database: databaseOf(database, namespace), table: table || undefined };
}
