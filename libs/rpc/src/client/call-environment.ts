import { MicroError } from '@micro/errors';
import type { Metrics } from '@micro/telemetry';
import type { Group } from './directory.js';
import type { RetryBudget } from './retry-budget.js';

/** What all calls of a client share. */
export interface CallEnvironment {
  /** Of the client, as the `id` of the errors that it raises itself. */
  readonly name: string;
  readonly budget: RetryBudget;
  readonly metrics: Metrics | undefined;
  /** Streams under way, to be broken off when the client closes. */
  readonly streams: Set<{ cancel(reason: MicroError): void }>;
  closed: boolean;
}

export function closedError(): MicroError {
  return new MicroError('canceled', 'the client was closed');
}

export function unreachable({ service, peers }: Group, name: string, cause: unknown): MicroError {
  const addresses = [...new Set(peers.map(({ address }) => address))].slice(0, 5).join(', ');
  return new MicroError('unavailable', `no node of ${service} can be reached (tried ${addresses}): see whether it runs with \`micro status\``, { id: name, cause });
}

export function tooManyCalls({ service, limit }: Group, name: string): MicroError {
  return new MicroError('resource_exhausted', `${limit} calls to ${service} are under way, the limit of this client: try again later`, { id: name });
}

/** What an AbortSignal's reason means for a call. */
export function abortError({ reason }: AbortSignal): MicroError {
  if (reason instanceof MicroError) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError') return MicroError.from(reason);
  return new MicroError('canceled', 'the call was canceled', { cause: reason });
}

/** Calls `abort` with the first of the signals that aborts, at once if one has. Returns what takes the listeners off again. */
export function onAbort(signals: readonly (AbortSignal | undefined)[], abort: (reason: MicroError) => void): () => void {
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
    signal.addEventListener('abort', fire, { once: true });
    listeners.push(() => signal.removeEventListener('abort', fire));
  }
  return stop;
}
