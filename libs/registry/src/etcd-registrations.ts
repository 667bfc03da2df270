import { setTimeout as sleep } from 'node:timers/promises';
import { type EtcdClient, isLeaseLost } from '@micro/etcd';
import { EtcdLeases, type Lease } from './etcd-leases.js';
import { type EtcdKeys, packContent, type VersionKey } from './etcd-records.js';
import { Turns } from './etcd-turns.js';
import type { EtcdView, SeenNode } from './etcd-view.js';
import type { Entry, EtcdWriter } from './etcd-writer.js';
import { closed } from './validation.js';

/** What one call registers: nodes of one version, with one content and one time to live. */
export interface Wanted {
  readonly version: VersionKey;
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly ttl: number;
  readonly entries: readonly Entry[];
}

type Packed = Omit<Wanted, 'bytes'> & { readonly packed: Buffer };

/** A node under a lease of this process. */
interface Held {
  readonly entry: Pick<Entry, 'key'>;
  readonly lease: Lease;
}

/** One that this process holds. */
interface Own extends Held, Omit<Packed, 'entries'> {
  readonly entry: Entry;
  /** The one that it is under, since when it was put last. */
  lease: Lease;
  revision: number;
  /** Until when its caller has asked for it, on the monotonic clock. */
  expires: number;
}

export interface EtcdRegistrationsOptions {
  readonly client: EtcdClient;
  readonly keys: EtcdKeys;
  readonly view: EtcdView;
  readonly writer: EtcdWriter;
  readonly warn: (message: string) => void;
}

/** Milliseconds that the view may take to show what was written. */
const patience = 2_000;
/** Milliseconds between two attempts to set right what is not as it should be. */
const pause = 500;
/** A timer this late means that the process was stopped or starved, and has not heard who renewed. */
const stall = 1_000;
/** Transactions on their way at a time when everything is registered again. */
const atOnce = 64;

/**
 * What this process has registered, on its own account and for those who call it, and what becomes of it: all of it is under leases that the
 * process keeps alive, so renewing moves a deadline here and writes nothing. What nobody renews in time is taken off; what another process
 * has put since is that one's; what went with a lost lease is put again.
 */
export class EtcdRegistrations {
  readonly #options: EtcdRegistrationsOptions;
  readonly #leases: EtcdLeases;
  readonly #turns = new Turns();
  /** By key. */
  readonly #own = new Map<string, Own>();
  /** Contents of what is held here, by hash; those of what is not any more go with the next deadline. */
  readonly #packed = new Map<string, Buffer>();
  /** What nobody wants any more, and may still be in etcd under our lease. */
  readonly #leaving = new Map<string, Held>();
  /** Keys that are being put. */
  readonly #putting = new Set<string>();
  /** What is gone from etcd for a reason that is still to be found. */
  readonly #missing = new Map<string, Own>();
  /** Whether a lease was lost, and what was under it is to be put again. */
  #lost = false;
  #mending = false;
  #expiry: { readonly timer: NodeJS.Timeout; readonly at: number } | undefined;
  #closed = false;

  constructor(options: EtcdRegistrationsOptions) {
    this.#options = options;
    this.#leases = new EtcdLeases({ client: options.client, lost: (lease) => this.#lose(lease) });
  }

  /** Registers or renews. Resolves when etcd has it and the view shows it. */
  async register({ bytes, ...rest }: Wanted): Promise<void> {
    const wanted = { ...rest, packed: this.#pack(rest.hash, bytes) };
    const lease = this.#leases.current(wanted.ttl);
    const expires = performance.now() + wanted.ttl;
    const changed = wanted.entries.filter((entry) => !this.#renew({ ...wanted, entry, lease, expires }));
    // Where nobody can say whether etcd still has the lease the caller is not told that all is well.
    const unsure = lease !== undefined && lease.until < performance.now();
    const entries = unsure && !(await this.#leases.check(lease)) ? wanted.entries : changed;
    if (entries.length === 0) return;
    const keys = entries.map(({ key }) => key);
    await this.#turns.take(keys, () => this.#put({ ...wanted, entries }, expires));
  }

  /** Takes nodes off, whoever registered them. Resolves when they are gone from etcd and from the view. */
  async deregister(keys: readonly string[]): Promise<void> {
    const { writer, view } = this.#options;
    await this.#turns.take(keys, async () => {
      for (const key of keys) this.#leave(key);
      const leaving = keys.flatMap((key) => this.#leaving.get(key) ?? []);
      // What fails now is done as soon as it can be: under our lease it would stay for ever.
      const revision = await writer.delete(keys).finally(() => this.#mend());
      this.#left(leaving);
      await view.reached(revision, patience);
    });
  }

  /** Another process may hold now what this one did; and a request of this one that was given up on may have come late. */
  seen(key: string, { lease: id, revision }: SeenNode): void {
    const own = this.#own.get(key);
    const lease = this.#leases.find(id);
    this.#missing.delete(key);
    if (own && revision > own.revision) {
      if (lease) Object.assign(own, { lease, revision });
      else this.#own.delete(key);
    }
    if (own || !lease || this.#putting.has(key) || this.#closed) return;
    this.#leaving.set(key, { entry: { key }, lease });
    this.#mend();
  }

  /** A node is gone: somebody deregistered it, or its lease is lost. */
  gone(key: string, { revision }: SeenNode): void {
    const own = this.#own.get(key);
    if (!own || revision < own.revision || this.#closed) return;
    this.#missing.set(key, own);
    this.#mend();
  }

  /** etcd is there, for the first time or again. */
  connected(): void {
    if (!this.#closed) this.#leases.beat();
  }

  /** Gives everything back, or, if it is to stay, as much time as it was given. */
  async close({ keep }: { readonly keep: boolean }): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#expiry?.timer);
    await this.#turns.over();
    if (keep) return this.#leases.leave();
    const versions = new Map([...this.#own.values()].map(({ version }) => [JSON.stringify(version), version]));
    await this.#leases.revoke();
    await this.#options.writer.deleteEmpty([...versions.values()]);
  }

  /** Whether it is enough to move the deadline: etcd has exactly this, and the lease it should be under is ours. */
  #renew({
    lease,
    expires,
    ...wanted
  }: Omit<Own, 'lease' | 'revision'> & { readonly lease: Lease | undefined }): boolean {
    const { key, text } = wanted.entry;
    const { keys, view } = this.#options;
    const own = this.#own.get(key);
    if (own) {
      own.expires = Math.max(own.expires, expires);
      this.#expireAt(own.expires);
    }
    const seen = view.node(key);
    if (!own || !lease || own.lease !== lease || this.#missing.has(key)) return false;
    return seen?.lease === lease.id && seen.text === text && view.stores(keys.content(wanted.version, wanted.hash));
  }

  async #put(wanted: Packed, expires: number): Promise<void> {
    const keys = wanted.entries.map(({ key }) => key);
    for (const key of keys) this.#putting.add(key);
    try {
      await this.#putAll(wanted, expires);
    } finally {
      for (const key of keys) this.#putting.delete(key);
    }
  }

  async #putAll({ entries, ...wanted }: Packed, expires: number): Promise<void> {
    const { view, writer } = this.#options;
    const { version, hash, packed, ttl } = wanted;
    for (;;) {
      if (this.#closed) throw closed();
      const lease = await this.#leases.get(ttl);
      try {
        const revision = await writer.put({ version, hash, packed, entries, lease: lease.id });
        // Lost meanwhile, and with it what was put.
        if (!this.#leases.holds(lease)) continue;
        for (const entry of entries) this.#hold({ ...wanted, entry, lease, revision, expires });
        return await view.reached(revision, patience);
      } catch (error) {
        if (!isLeaseLost(error)) {
          this.#giveUp(entries.map((entry) => ({ entry, lease })));
          throw error;
        }
        this.#leases.lose(lease);
      }
    }
  }

  #hold(own: Own): void {
    const { key } = own.entry;
    this.#own.set(key, { ...own, expires: Math.max(own.expires, this.#own.get(key)?.expires ?? 0) });
    this.#leaving.delete(key);
    this.#missing.delete(key);
    this.#expireAt(own.expires);
  }

  /** What was to be put may or may not be there: the caller is told that it is not. */
  #giveUp(all: readonly Held[]): void {
    for (const one of all) if (!this.#own.has(one.entry.key)) this.#leaving.set(one.entry.key, one);
    this.#mend();
  }

  #leave(key: string): void {
    const own = this.#own.get(key);
    this.#own.delete(key);
    this.#missing.delete(key);
    if (own) this.#leaving.set(key, own);
  }

  #lose(lost: Lease): void {
    if (this.#closed) return;
    const count = [...this.#own.values()].filter(({ lease }) => lease === lost).length;
    if (count > 0)
      this.#options.warn(`etcd has dropped the lease of ${count} registrations: they are registered again`);
    this.#lost = true;
    this.#mend();
  }

  #pack(hash: string, bytes: Uint8Array): Buffer {
    let packed = this.#packed.get(hash);
    if (!packed) this.#packed.set(hash, (packed = packContent(bytes)));
    return packed;
  }

  #expireAt(at: number): void {
    if (this.#closed || (this.#expiry && this.#expiry.at <= at)) return;
    clearTimeout(this.#expiry?.timer);
    // What has arrived meanwhile is read before anything is declared dead: timers run ahead of sockets.
    const due = () => setImmediate(() => this.#expire(at));
    this.#expiry = { timer: setTimeout(due, Math.max(at - performance.now(), 0) + 1).unref(), at };
  }

  #expire(due: number): void {
    const now = performance.now();
    this.#expiry = undefined;
    let next = Infinity;
    const hashes = new Set<string>();
    for (const [key, own] of this.#own) {
      if (now - due > stall) own.expires = Math.max(own.expires, now + own.ttl / 2);
      if (own.expires <= now) this.#leave(key);
      else {
        next = Math.min(next, own.expires);
        hashes.add(own.hash);
      }
    }
    for (const hash of this.#packed.keys()) if (!hashes.has(hash)) this.#packed.delete(hash);
    if (next < Infinity) this.#expireAt(next);
    this.#mend();
  }

  /** Sets right what is not as it should be, however long that takes. */
  #mend(): void {
    if (this.#mending) return;
    this.#mending = true;
    void this.#mendAll();
  }

  async #mendAll(): Promise<void> {
    while (!this.#closed && (this.#lost || this.#missing.size > 0 || this.#leaving.size > 0)) {
      try {
        await this.#explain();
        await this.#putAgain();
        await this.#takeOff();
      } catch {
        await sleep(pause, undefined, { ref: false });
      }
    }
    this.#mending = false;
  }

  /** What is gone although its lease is alive somebody has deregistered. */
  async #explain(): Promise<void> {
    for (const [lease, all] of groupBy(this.#missing.values(), ({ lease }) => lease)) {
      const alive = this.#leases.holds(lease) && (await this.#leases.check(lease));
      this.#lost ||= !alive;
      for (const own of all) {
        const { key } = own.entry;
        if (this.#missing.get(key) !== own) continue;
        this.#missing.delete(key);
        if (alive && this.#own.get(key) === own) this.#own.delete(key);
      }
    }
  }

  /** All that was under a lease that is lost, and that is still wanted. */
  async #putAgain(): Promise<void> {
    if (!this.#lost) return;
    const lost = [...this.#own.values()].filter(({ lease }) => !this.#leases.holds(lease));
    const batches = [...groupBy(lost, ({ version, hash, ttl }) => JSON.stringify([version, hash, ttl])).values()];
    const work = async () => {
      for (let batch = batches.pop(); batch; batch = batches.pop()) await this.#putBatch(batch);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    this.#lost = [...this.#own.values()].some(({ lease }) => !this.#leases.holds(lease));
  }

  /** Whoever deregisters, or registers anew, meanwhile has the last word. */
  async #putBatch(batch: readonly Own[]): Promise<void> {
    const keys = batch.map(({ entry: { key } }) => key);
    await this.#turns.take(keys, async () => {
      const wanted = batch.filter((own) => this.#own.get(own.entry.key) === own);
      const [first] = wanted;
      const expires = Math.max(...wanted.map((own) => own.expires));
      if (first) await this.#put({ ...first, entries: wanted.map(({ entry }) => entry) }, expires);
    });
  }

  async #takeOff(): Promise<void> {
    for (const [lease, all] of groupBy(this.#leaving.values(), ({ lease }) => lease)) {
      const keys = all.map(({ entry: { key } }) => key);
      await this.#turns.take(keys, async () => {
        const left = all.filter((own) => this.#leaving.get(own.entry.key) === own);
        const leftKeys = left.map(({ entry: { key } }) => key);
        if (this.#leases.holds(lease)) await this.#options.writer.deleteUnder(lease.id, leftKeys);
        this.#left(left);
      });
    }
  }

  /** They are off; what has come late meanwhile is not. */
  #left(all: readonly Held[]): void {
    for (const one of all) if (this.#leaving.get(one.entry.key) === one) this.#leaving.delete(one.entry.key);
  }
}

function groupBy<Key, Value>(values: Iterable<Value>, keyOf: (value: Value) => Key): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}
