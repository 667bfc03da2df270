import { MicroError } from '@micro/errors';
import { type EtcdAccess, EtcdClient } from '@micro/etcd';
import type { IKeyValue } from 'etcd3';
import { EtcdDeletions } from './etcd-deletions.js';
import { EtcdQueue } from './etcd-queue.js';
import { Holding } from './holding.js';
import { type AcquireOptions, type Grant, type LeaseOptions, type Lock, type LockPlace, Locks } from './locks.js';
import { checkedClaim, checkedId, checkedLock, checkedTtl, type Claim, lost } from './validation.js';
import { type Look, Waiting } from './waiting.js';

/** Milliseconds between two looks at most: places last for some seconds, and of what is deleted etcd tells. */
const lookMs = 1_000;

export interface EtcdLocksOptions extends EtcdAccess {
  /** What all keys begin with, ending with a slash. Default `/micro/locks/`. */
  readonly prefix?: string;
}

/** Locks in etcd (3.4 and later): keys under leases, by the clock of its leader. Nothing is asked for before the first lock. */
export class EtcdLocks extends Locks {
  readonly #client: EtcdClient;
  readonly #queue: EtcdQueue;
  readonly #deletions: EtcdDeletions;
  readonly #waiting = new Waiting();
  readonly #holding = new Holding(this);

  constructor({ prefix = '/micro/locks/', ...access }: EtcdLocksOptions) {
    super();
    if (access.addresses.length === 0)
      throw new MicroError('invalid_argument', 'no address of etcd is given: set MICRO_ETCD_ADDRESS', { id: 'store' });
    this.#client = new EtcdClient(access, { id: 'store', prefix });
    this.#queue = new EtcdQueue(this.#client, prefix);
    this.#deletions = new EtcdDeletions(this.#client);
  }

  override acquire(name: string, options?: AcquireOptions): Promise<Lock> {
    return this.#holding.acquire(name, options);
  }

  override async take(name: string, id: string, options?: AcquireOptions): Promise<Grant> {
    const claim = checkedClaim(name, id, options);
    const attempt = new Attempt(claim, this.#queue);
    try {
      return await this.#waiting.take(claim, async (left) => {
        const look = await attempt.look(left > 0);
        if (look.token === undefined && left > 0)
          this.#deletions.watch(claim.key, this.#queue.range(claim), (gone) => this.#waiting.freed(claim.key, gone));
        return look;
      });
    } finally {
      if (!this.#waiting.waitFor(claim.key)) this.#deletions.end(claim.key);
    }
  }

  override async renew(name: string, id: string, options?: LeaseOptions): Promise<void> {
    this.#waiting.check();
    const lock = checkedLock(name, options);
    const claim = { ...lock, id: checkedId(id), ttl: checkedTtl(options) };
    if (!(await this.#queue.renew(claim))) throw lost(lock, 'somebody else may have it');
  }

  override async release(name: string, id: string, options?: LockPlace): Promise<void> {
    this.#waiting.check();
    await this.#queue.leave({ ...checkedLock(name, options), id: checkedId(id) });
  }

  override async close(): Promise<void> {
    await this.#holding.close();
    this.#waiting.close();
    this.#deletions.close();
    this.#queue.close();
    this.#client.close();
  }
}

/** One that wants a lock. */
class Attempt {
  readonly #claim: Claim;
  readonly #queue: EtcdQueue;
  /** Its key in the queue, once it has one. */
  #own: IKeyValue | undefined;

  constructor(claim: Claim, queue: EtcdQueue) {
    this.#claim = claim;
    this.#queue = queue;
  }

  async look(enter: boolean): Promise<Look> {
    const queue = this.#queue;
    const claim = this.#claim;
    if (this.#own && !(await queue.stay(this.#own))) this.#own = undefined;
    if (!this.#own) {
      const { token, own } = await queue.takeFree(claim);
      if (token !== undefined) return { token };
      this.#own = own ?? (enter ? await queue.enter(claim) : undefined);
    }
    const behind = this.#own && (await queue.before(claim, this.#own));
    if (this.#own && behind === undefined) {
      const token = await queue.promote(claim, this.#own);
      if (token !== undefined) return { token };
      this.#own = undefined;
    }
    return { token: undefined, again: lookMs, behind };
  }
}
