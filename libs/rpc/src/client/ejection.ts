/**
 * How a call failed, as far as the node is to blame: it refused the connection or the call, broke the connection off, let the deadline
 * pass, or answered something that is not the protocol.
 */
export type Failure = 'refused' | 'reset' | 'timeout' | 'malformed';

export interface EjectionOptions {
  /** Failures in a row, with no success between them, that eject a node whose connections hold. Default 5. */
  readonly failures?: number;
  /** Milliseconds of the first ejection; each that follows closely takes twice as long. Default 1,000. */
  readonly first?: number;
  /** Longest ejection in milliseconds. Default 30,000. */
  readonly longest?: number;
  /** Milliseconds in which a probe must be answered. Default 1,000. */
  readonly probeTimeout?: number;
}

export interface EjectionHooks {
  /** Whether the node answers, within `timeout` milliseconds. Never rejects. */
  readonly probe: (timeout: number) => Promise<boolean>;
  /** The node was ejected, or is back. */
  readonly changed: (ejected: boolean, why: Failure | undefined) => void;
}

/**
 * Whether calls may go to a node. A connection refused or broken off ejects it at once. A call that times out may be the caller's
 * impatience as well: it makes the node suspect, and a probe that it does not answer ejects it. An ejected node is probed until it
 * answers, after a while that doubles with each ejection; calls come back only then.
 */
export class Ejection {
  ejected = false;
  /** Time of the last failure, in milliseconds of `performance.now()`. */
  lastFailure = Number.NEGATIVE_INFINITY;
  readonly #failures: number;
  readonly #first: number;
  readonly #longest: number;
  readonly #probeTimeout: number;
  readonly #hooks: EjectionHooks;
  #failed = 0;
  #period = 0;
  #backAt = Number.NEGATIVE_INFINITY;
  #probing = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: EjectionOptions, hooks: EjectionHooks) {
    this.#failures = options.failures ?? 5;
    this.#first = options.first ?? 1_000;
    this.#longest = options.longest ?? 30_000;
    this.#probeTimeout = options.probeTimeout ?? 1_000;
    this.#hooks = hooks;
  }

  /** An answer came: the node is alive, whatever was thought of it. */
  succeeded(): void {
    this.#failed = 0;
    if (this.ejected) this.#restore();
  }

  failed(why: Failure): void {
    this.#failed++;
    this.lastFailure = performance.now();
    if (this.ejected || this.#closed) return;
    if (why === 'refused' || why === 'reset' || this.#failed >= this.#failures) this.#eject(why);
    else if (why === 'timeout') void this.#suspect();
  }

  /** Stops probing, for a node that is no longer wanted. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #eject(why: Failure): void {
    const again = performance.now() - this.#backAt < Math.max(2 * this.#period, this.#first * 10);
    this.#period = again ? Math.min(Math.max(2 * this.#period, this.#first), this.#longest) : this.#first;
    this.ejected = true;
    this.#hooks.changed(true, why);
    this.#probeLater();
  }

  #probeLater(): void {
    // A tenth to and fro, so that the clients of a node do not all come back in the same instant.
    this.#timer = setTimeout(() => void this.#probeEjected(), this.#period * (0.9 + Math.random() * 0.2));
    this.#timer.unref();
  }

  async #probeEjected(): Promise<void> {
    const alive = await this.#probe();
    if (!this.ejected || this.#closed) return;
    if (alive) return this.#restore();
    this.#period = Math.min(2 * this.#period, this.#longest);
    this.#probeLater();
  }

  async #suspect(): Promise<void> {
    if (this.#probing) return;
    const alive = await this.#probe();
    if (!alive && !this.ejected && !this.#closed) this.#eject('timeout');
  }

  async #probe(): Promise<boolean> {
    this.#probing = true;
    try {
      return await this.#hooks.probe(this.#probeTimeout);
    } finally {
      this.#probing = false;
    }
  }

  #restore(): void {
    clearTimeout(this.#timer);
    this.ejected = false;
    this.#failed = 0;
    this.#backAt = performance.now();
    this.#hooks.changed(false, undefined);
  }
}
