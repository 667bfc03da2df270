import { MicroError } from '@micro/errors';
import { ownChanges } from '../own-copies.js';
import { quote } from '../blob/validation.js';
import { type Change, type Store, type StoreRecord, type TableOptions } from '../store.js';
import type { Lock } from './locks.js';

/** What stands between a lock and what it guards: a record with the greatest token that has changed anything. */
export interface Fence {
  /** Of that record. Nothing else may write it. */
  readonly key: string;
  readonly lock: Pick<Lock, 'name' | 'token' | 'signal' | 'held'>;
}

/**
 * Makes changes in a store on behalf of whoever has a lock, all or none, as `Store.transact`: refused with MicroError `failed_precondition` once
 * somebody with a greater token has been here, and with the reason of the lock's signal when it is lost. Returns the versions of the changes.
 *
 * Without a change it only raises the fence. Who has acquired the lock does that first, and reads after it: nobody who had it before can change
 * any more what was read.
 */
export async function fenced(
  store: Store,
  { key, lock }: Fence,
  changes: readonly Change[] = [],
  options?: TableOptions,
): Promise<readonly bigint[]> {
  const own = ownChanges(changes);
  let before = await fenceOf(store, key, options);
  for (;;) {
    if (!lock.held) throw lock.signal.reason;
    const raised = step(key, lock, before);
    try {
      return (await store.transact([...own, raised], options)).slice(0, changes.length);
    } catch (error) {
      if (MicroError.from(error).code !== 'aborted') throw error;
      const now = await fenceOf(store, key, options);
      // It was one of the changes that did not fit.
      if (now?.version === before?.version) throw error;
      before = now;
    }
  }
}

function step(key: string, { name, token }: Fence['lock'], before: StoreRecord | undefined): Change {
  const greatest = before === undefined ? 0n : tokenOf(before);
  if (greatest > token) {
    const detail = `the lock ${quote(name)} was had with token ${token}, and by somebody else with ${greatest} since: nothing was changed; acquire it again, and begin anew`;
    throw new MicroError('failed_precondition', detail, { id: 'store' });
  }
  if (before && greatest === token) return { type: 'check', key, ifVersion: before.version };
  const value = new TextEncoder().encode(`${token}`);
  return { type: 'write', record: { key, value }, ifVersion: before?.version ?? 0n };
}

async function fenceOf(store: Store, key: string, options: TableOptions | undefined): Promise<StoreRecord | undefined> {
  try {
    return await store.read(key, options);
  } catch (error) {
    if (MicroError.from(error).code === 'not_found') return undefined;
    throw error;
  }
}

function tokenOf({ key, value }: StoreRecord): bigint {
  const text = new TextDecoder().decode(value);
  if (/^\d{1,30}$/.test(text)) return BigInt(text);
  throw new MicroError(
    'failed_precondition',
    `the record ${quote(key)} is no fence, which holds a token and nothing else: use another key`,
    {
      id: 'store',
    },
  );
}
