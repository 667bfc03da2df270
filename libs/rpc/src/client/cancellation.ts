import { setMaxListeners } from 'node:events';
import { MicroError } from '@micro/errors';

/**
 * Cancels one call: what an AbortSignal does, at a fraction of its price. For those who pass on thousands of calls a second, where making a
 * signal and listening to it would be a good part of each.
 */
export class Cancellation {
  #reason: MicroError | undefined;
  #listener: ((reason: MicroError) => void) | undefined;

  /** Cancels the call it was given to; that of a call which has ended, or a second one, does nothing. */
  cancel(reason = new MicroError('canceled', 'the caller has gone')): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#listener?.(reason);
  }

  /** Why it was canceled; undefined if it was not. */
  get reason(): MicroError | undefined {
    return this.#reason;
  }

  /** @internal The call to be canceled; at once if it has been already. */
  bind(listener: (reason: MicroError) => void): void {
    this.#listener = listener;
    if (this.#reason) listener(this.#reason);
  }
}

/** What an AbortSignal's reason means for a call. */
export function abortError({ reason }: AbortSignal): MicroError {
  if (reason instanceof MicroError) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError') return MicroError.from(reason);
  return new MicroError('canceled', 'the call was canceled', { cause: reason });
}

/** Calls `abort` with the first of the signals that aborts, at once if one has. Returns what takes the listeners off again. */
export function onAbort(
  signals: readonly (AbortSignal | undefined)[],
  abort: (reason: MicroError) => void,
): () => void {
  const listeners: (() => void)[] = [];
  const stop = () => {
    for (const remove of listeners.splice(0)) remove();
  };
  for (const signal of signals) {
    if (!signal) continue;
    const fire = () => {
      stop();
      abort(abortError(signal));
    };
    if (signal.aborted) {
      fire();
      break;
    }
    // Any number of calls may hang on one signal; Node would take more than ten for a leak.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', fire, { once: true });
    listeners.push(() => signal.removeEventListener('abort', fire));
  }
  return stop;
}
