import { MicroError } from '@micro/errors';

/** Ends the wait for a request. */
type Stop = (error: MicroError) => void;

/** Milliseconds between two looks at who is late. */
const interval = 1_000;

/**
 * Requests that are still being sent, and by when they must be complete. HTTP/2 sets no limit to that, and a timer a call would cost as much
 * as the rest of the call: one looks after them all.
 */
export class SlowSenders {
  readonly #until = new Map<Stop, number>();
  readonly #timer = setInterval(() => this.#end(), interval).unref();

  /** `ms`: from now. */
  begin(stop: Stop, ms: number): void {
    this.#until.set(stop, performance.now() + ms);
  }

  complete(stop: Stop): void {
    this.#until.delete(stop);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #end(): void {
    const now = performance.now();
    for (const [stop, until] of this.#until) {
      if (now < until) continue;
      this.#until.delete(stop);
      stop(
        new MicroError('deadline_exceeded', 'the request was not complete in time: send it faster', { id: 'proxy' }),
      );
    }
  }
}
