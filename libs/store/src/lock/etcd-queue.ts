import { type EtcdClient, isLeaseLost, KeepAlive } from '@micro/etcd';
import type { ICompare, IKeyValue, IRequestOp, ITxnResponse } from 'etcd3';
import type { Claim, Lockable } from './validation.js';

/** Seconds that the key of one that waits outlives it. etcd counts in whole ones, from two on. */
const placeSeconds = 4;

/**
 * The queues of locks, as keys `<prefix><database>/<table>/<name>/<id>`, each under a lease of its own. Who has the lock is the one whose key was made
 * first, at the revision that is its token: of a cluster's revisions none comes twice, and later ones are greater. Every request may be made
 * twice: the key of an id is there or not.
 */
export class EtcdQueue {
  readonly #client: EtcdClient;
  readonly #prefix: string;
  readonly #keepAlive = new KeepAlive();

  constructor(client: EtcdClient, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
  }

  /** The keys of all who have a lock or wait for it. */
  range({ place, name }: Lockable): { readonly key: Buffer; readonly range_end: Buffer } {
    const start = `${this.#prefix}${place}/${encodeURIComponent(name)}`;
    // '0' comes behind '/'.
    return { key: Buffer.from(`${start}/`), range_end: Buffer.from(`${start}0`) };
  }

  /** The lock, if nobody has it or waits for it; else the claim's own key, if there is one. */
  async takeFree(claim: Claim): Promise<{ readonly token?: bigint; readonly own?: IKeyValue }> {
    const free: ICompare = { ...this.range(claim), target: 'Create', result: 'Equal', create_revision: 0 };
    const put = {
      value: heldFor(claim.ttl),
      seconds: secondsOf(claim.ttl),
      failed: (lease: string) => this.#drop(lease),
    };
    const { answer, lease } = await this.#putIf(free, claim, put);
    if (answer.succeeded) return { token: BigInt(answer.header.revision) };
    const own = found(answer);
    // The same request, whose answer was lost, has been carried out before.
    if (own?.lease === lease) return { token: BigInt(own.create_revision) };
    await this.#revoke(lease);
    return { own };
  }

  /** The claim's key at the end of the queue, or where it is. */
  async enter(claim: Claim): Promise<IKeyValue | undefined> {
    const isNew: ICompare = { key: this.#keyOf(claim), target: 'Create', result: 'Equal', create_revision: 0 };
    const { answer, lease } = await this.#putIf(isNew, claim, { value: 'waits', seconds: placeSeconds });
    if (!answer.succeeded && found(answer)?.lease !== lease) await this.#revoke(lease);
    return this.own(claim);
  }

  /** The key of an id, if there is one. */
  async own(claim: Lockable & { readonly id: string }): Promise<IKeyValue | undefined> {
    const { kvs } = await this.#client.call(({ kv }) => kv.range({ key: this.#keyOf(claim) }));
    return kvs[0];
  }

  /** The key before this one; undefined: it is the first. */
  async before(claim: Lockable, own: IKeyValue): Promise<string | undefined> {
    const max_create_revision = (BigInt(own.create_revision) - 1n).toString();
    const last = { limit: 1, sort_order: 'Descend', sort_target: 'Create' } as const;
    const before = { ...this.range(claim), ...last, max_create_revision, keys_only: true };
    const { kvs } = await this.#client.call(({ kv }) => kv.range(before));
    return kvs[0]?.key.toString();
  }

  /** Keeps a place in the queue. False: it is gone. */
  async stay({ lease }: IKeyValue): Promise<boolean> {
    return (await this.#keep(lease)) > 0;
  }

  /** The lock for the one whose key is the first; undefined if that is gone. */
  async promote(claim: Claim, own: IKeyValue): Promise<bigint | undefined> {
    return (await this.#hold(claim, own)) ? BigInt(own.create_revision) : undefined;
  }

  /** Another ttl for whoever has the lock. False: the id does not have it. */
  async renew(claim: Lockable & { readonly id: string; readonly ttl: number }): Promise<boolean> {
    const own = await this.own(claim);
    const value = own?.value.toString();
    if (!own || value === 'waits') return false;
    if (value === heldFor(claim.ttl) && (await this.#keep(own.lease)) > 0) return true;
    // For another ttl, or another request of the same id has put the key under another lease meanwhile.
    return this.#hold(claim, own);
  }

  /** Removes the key of an id, whatever it is there for. */
  async leave(claim: Lockable & { readonly id: string }): Promise<void> {
    const first = await this.own(claim);
    // Another request of the same id may put the key under another lease meanwhile.
    for (let own = first; own && own.create_revision === first?.create_revision; own = await this.own(claim))
      await this.#revoke(own.lease);
  }

  close(): void {
    this.#keepAlive.close();
  }

  /** Puts the key under a lease for the whole ttl, if it is the same still. */
  async #hold(claim: Lockable & { readonly id: string; readonly ttl: number }, own: IKeyValue): Promise<boolean> {
    const create_revision = own.create_revision;
    const same: ICompare = { key: this.#keyOf(claim), target: 'Create', result: 'Equal', create_revision };
    const put = { value: heldFor(claim.ttl), seconds: secondsOf(claim.ttl) };
    const { answer, lease } = await this.#putIf(same, claim, put);
    // The one before has no key any more, and the new one none if it is not the same.
    await this.#revoke(answer.succeeded ? own.lease : lease);
    return answer.succeeded;
  }

  /** Under a new lease; `failed` is told of one that may be put under later. Whoever stood still until the lease was over takes another. */
  async #putIf(
    compare: ICompare,
    claim: Lockable & { readonly id: string },
    put: { readonly value: string; readonly seconds: number; readonly failed?: (lease: string) => void },
  ): Promise<{ readonly answer: ITxnResponse; readonly lease: string }> {
    const key = this.#keyOf(claim);
    const value = Buffer.from(put.value);
    for (;;) {
      const lease = await this.#grant(put.seconds);
      const success: IRequestOp[] = [{ request_put: { key, value, lease } }];
      const failure: IRequestOp[] = [{ request_range: { key } }];
      try {
        const answer = await this.#client.call(({ kv }) => kv.txn({ compare: [compare], success, failure }));
        return { answer, lease };
      } catch (error) {
        if (isLeaseLost(error)) continue;
        put.failed?.(lease);
        throw error;
      }
    }
  }

  async #grant(seconds: number): Promise<string> {
    return (await this.#client.call(({ leaseClient }) => leaseClient.leaseGrant({ TTL: seconds }))).ID;
  }

  /** Whoever is told that there was no answer shall not have the lock by a request that is carried out later. */
  #drop(lease: string): void {
    void this.#revoke(lease).catch(() => undefined);
  }

  #keep(lease: string): Promise<number> {
    return this.#client.call(() => this.#keepAlive.ask(this.#client.member, lease));
  }

  async #revoke(lease: string): Promise<void> {
    await this.#client
      .call(({ leaseClient }) => leaseClient.leaseRevoke({ ID: lease }))
      .catch((error: unknown) => {
        if (!isLeaseLost(error)) throw error;
      });
  }

  #keyOf(claim: Lockable & { readonly id: string }): Buffer {
    return Buffer.from(`${this.range(claim).key.toString()}${claim.id}`);
  }
}

/** The key of the id that is there already. */
function found({ responses }: ITxnResponse): IKeyValue | undefined {
  return responses[0]?.response_range.kvs[0];
}

function secondsOf(ttl: number): number {
  return Math.ceil(ttl / 1_000);
}

function heldFor(ttl: number): string {
  return `held ${secondsOf(ttl)}`;
}
