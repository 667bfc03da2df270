import { type EtcdClient, KeepAlive } from '@micro/etcd';

/** A lease of this process, which goes on for as long as the process keeps it alive. */
export interface Lease {
  readonly id: string;
  /** Milliseconds, as etcd granted them: whole seconds, at least two. */
  readonly ttl: number;
  /** Until when etcd has promised to keep it, on the monotonic clock. */
  until: number;
}

/** Milliseconds between two beats, at most; a third of the shortest lease, if that is less. */
const longestBeat = 10_000;
/** Seconds that a lease may have, times powers of ten: callers may ask for any time to live, and leases are to be few. */
const steps = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8] as const;

export interface EtcdLeasesOptions {
  readonly client: EtcdClient;
  /** Told when etcd has no lease any more that was kept alive here. */
  readonly lost: (lease: Lease) => void;
}

/**
 * The leases of one process, one for each time to live, all kept alive over one stream. The lease of a time to live is up to a quarter
 * shorter: what is registered must not outlive the process by more than it asked for.
 */
export class EtcdLeases {
  readonly #options: EtcdLeasesOptions;
  /** By seconds. */
  readonly #leases = new Map<number, Lease>();
  readonly #granting = new Map<number, Promise<Lease>>();
  readonly #keepAlive = new KeepAlive();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: EtcdLeasesOptions) {
    this.#options = options;
  }

  /** The lease for a time to live, if there is one. */
  current(ttl: number): Lease | undefined {
    return this.#leases.get(secondsOf(ttl));
  }

  /** Whether a lease was granted here and is not known to be lost. */
  holds(lease: Lease): boolean {
    return [...this.#leases.values()].includes(lease);
  }

  /** The lease of this process that etcd calls so, if there is one. */
  find(id: string): Lease | undefined {
    return [...this.#leases.values()].find((lease) => lease.id === id);
  }

  /** The lease for a time to live, granted if there is none. */
  async get(ttl: number): Promise<Lease> {
    const seconds = secondsOf(ttl);
    const lease = this.#leases.get(seconds);
    if (lease) return lease;
    const granting = this.#granting.get(seconds) ?? this.#grant(seconds).finally(() => this.#granting.delete(seconds));
    this.#granting.set(seconds, granting);
    return granting;
  }

  /** Asks etcd whether it still has a lease. One that it has not is lost. */
  async check(lease: Lease): Promise<boolean> {
    const { client } = this.#options;
    const asked = performance.now();
    const left = await client.call(() => this.#keepAlive.ask(client.member, lease.id));
    if (left > 0) lease.until = asked + left;
    else this.lose(lease);
    return left > 0;
  }

  /** etcd says that it does not have this lease. */
  lose(lease: Lease): void {
    for (const [seconds, one] of this.#leases) {
      if (one !== lease) continue;
      this.#leases.delete(seconds);
      this.#options.lost(lease);
    }
  }

  /** Keeps all alive now, and from now on regularly. */
  beat(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const leases = [...this.#leases.values()];
    for (const lease of leases) void this.check(lease).catch(() => undefined);
    const wait = Math.min(longestBeat, ...leases.map(({ ttl }) => ttl / 3));
    this.#timer = setTimeout(() => this.beat(), wait).unref();
  }

  /** Leaves the leases as they are, with all their time before them. */
  async leave(): Promise<void> {
    this.#end();
    await Promise.all([...this.#leases.values()].map((lease) => this.check(lease)));
    this.#keepAlive.close();
  }

  /** Ends the leases, and with them all that was put under them. */
  async revoke(): Promise<void> {
    this.#end();
    this.#keepAlive.close();
    const { client } = this.#options;
    const leases = [...this.#leases.values()];
    this.#leases.clear();
    await Promise.all(leases.map(({ id }) => client.call(({ leaseClient }) => leaseClient.leaseRevoke({ ID: id }))));
  }

  async #grant(seconds: number): Promise<Lease> {
    const asked = performance.now();
    const { client } = this.#options;
    const { ID: id, TTL } = await client.call(({ leaseClient }) => leaseClient.leaseGrant({ TTL: seconds }));
    const ttl = Number(TTL) * 1_000;
    const lease = { id, ttl, until: asked + ttl };
    this.#leases.set(seconds, lease);
    this.beat();
    return lease;
  }

  #end(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}

function secondsOf(ttl: number): number {
  const seconds = Math.max(1, Math.floor(ttl / 1_000));
  const power = 10 ** (String(seconds).length - 1);
  return power * (steps.findLast((step) => step * power <= seconds) ?? 1);
}
