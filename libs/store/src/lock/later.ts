import { outsideCalls } from '@micro/rpc';
import { type AcquireOptions, type Grant, type LeaseOptions, type Lock, type LockPlace, Locks } from './locks.js';
import { closed } from './validation.js';

/** Locks that are opened when they are first used. What could not be opened is tried again with the next call. */
export class LaterLocks extends Locks {
  readonly #open: () => Promise<Locks>;
  #opening: Promise<Locks> | undefined;
  #closed = false;

  constructor(open: () => Promise<Locks>) {
    super();
    this.#open = open;
  }

  override async acquire(name: string, options?: AcquireOptions): Promise<Lock> {
    return (await this.#locks()).acquire(name, options);
  }

  override async take(name: string, id: string, options?: AcquireOptions): Promise<Grant> {
    return (await this.#locks()).take(name, id, options);
  }

  override async renew(name: string, id: string, options?: LeaseOptions): Promise<void> {
    await (await this.#locks()).renew(name, id, options);
  }

  override async release(name: string, id: string, options?: LockPlace): Promise<void> {
    await (await this.#locks()).release(name, id, options);
  }

  /** Closes what was opened. */
  override async close(): Promise<void> {
    this.#closed = true;
    const locks = await this.#opening?.catch(() => undefined);
    await locks?.close();
  }

  #locks(): Promise<Locks> {
    if (this.#closed) return Promise.reject(closed());
    if (!this.#opening) {
      // It outlives the call that it is first used in.
      const opening = outsideCalls(this.#open);
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
    }
    return this.#opening;
  }
}
