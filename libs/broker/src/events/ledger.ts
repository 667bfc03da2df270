import type { Event } from './events.js';
import type { Terms } from './validation.js';

/** An event that was given out: who holds the token may settle it, until it is given out again. */
export interface Lease {
  readonly event: Event;
  readonly attempt: number;
  readonly token: number;
  /** It was a dead letter. */
  readonly replayed: boolean;
}

/** Nothing to give out at present. */
export interface Nothing {
  /** Milliseconds after which there may be something; undefined: not before the consumer is woken. */
  readonly wait: number | undefined;
}

export type Settlement =
  | { readonly outcome: 'ack' }
  /** `delay`: milliseconds until it may be given out again. */
  | { readonly outcome: 'nack'; readonly delay: number; readonly reason: string }
  | { readonly outcome: 'reject'; readonly reason: string }
  /** `ackWait`: milliseconds from now. */
  | { readonly outcome: 'extend'; readonly ackWait: number };

/** The progress of one group, as a consumer in this process sees it. Where it is kept is the adapter's business. */
export interface Ledger {
  /** The next event of the group with a lease of `ackWait`: what is due again, else the next that was never given out. */
  claim(terms: Terms): Lease | Nothing | Promise<Lease | Nothing>;
  /** Resolves when it is kept: to false if another may have the event by now. */
  settle(lease: Lease, settlement: Settlement): Promise<boolean>;
  /** Gives leases back: they are due at once, and count for nothing. */
  release(leases: readonly Lease[]): Promise<void>;
}

/** Of an event that its group did not settle. */
export const unsettledReason = 'not acknowledged in time';

/** Whether the group's order goes before everything else: nothing is given out while an earlier event is not settled. */
export function isStrict({ inFlight }: Terms): boolean {
  return inFlight === 1;
}

/** Milliseconds to wait after a failed attempt. */
export function backoffAfter(attempt: number, { backoff }: Terms): number {
  return Math.min(backoff * 2 ** Math.min(attempt - 1, 30), Math.max(backoff, 60_000));
}
