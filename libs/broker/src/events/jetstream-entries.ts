import { MicroError } from '@micro/errors';
import type { Act, Packed } from './jetstream-group-state.js';

/** A message of a group's journal: acts of one who takes part, or the state that those up to a sequence have led to. */
export type Entry = {
  readonly v: number;
  /** By whom, and which of his it is. */
  readonly by: string;
  readonly n: number;
  /** When, by the group's clock. */
  readonly at: number;
} & ({ readonly acts: readonly Act[] } | { readonly of: number; readonly state: Packed });

/** Of what is written here. */
export const entryVersion = 1;

export function packedEntry(entry: Entry): Uint8Array {
  return Buffer.from(JSON.stringify(entry));
}

/** Undefined: it is none, but what somebody else has stored there. MicroError `failed_precondition` for one of a newer version. */
export function parsedEntry(data: Uint8Array): Entry | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
  } catch {
    return undefined;
  }
  if (!isRecord(entry) || typeof entry['v'] !== 'number') return undefined;
  if (entry['v'] > entryVersion) {
    const detail = `the journal of a group is written in version ${entry['v']}, this Micro knows ${entryVersion}: use a newer one`;
    throw new MicroError('failed_precondition', detail, { id: 'broker' });
  }
  return isEntry(entry) ? entry : undefined;
}

function isEntry(found: Readonly<Record<string, unknown>>): found is Entry {
  const { by, n, at, acts, of, state } = found;
  if (typeof by !== 'string' || !Number.isSafeInteger(n) || !Number.isFinite(at)) return false;
  if (acts !== undefined) return Array.isArray(acts) && acts.every(isRecord);
  return Number.isSafeInteger(of) && isRecord(state) && Array.isArray(state['rows']);
}

function isRecord(found: unknown): found is Readonly<Record<string, unknown>> {
  return typeof found === 'object' && found !== null;
}

/** Milliseconds after which a clock is set again: none goes quite right. */
const validity = 60_000;
/** Milliseconds that storing what it is set by may take. */
const mostDoubt = 100;

/**
 * The time of JetStream's servers, in milliseconds since 1970, as this process reckons it: by when they have stored something, and a clock that nobody sets. So
 * clocks of ours, which may be set or wrong, do not matter.
 */
export class ServerClock {
  #base: number | undefined;
  #setAt = -Infinity;

  get isSet(): boolean {
    return this.#base !== undefined;
  }

  /** Whether it is time to set it. */
  get isOld(): boolean {
    return performance.now() > this.#setAt + validity;
  }

  /** What was sent at `sent`, by `performance.now()`, and known to be stored `took` milliseconds later, was stored at `at`. */
  set(at: number, { sent, took }: { readonly sent: number; readonly took: number }): void {
    if (this.isSet && took > mostDoubt) return;
    this.#base = at - sent;
    this.#setAt = took > mostDoubt ? -Infinity : performance.now();
  }

  now(): number {
    return Math.round((this.#base ?? 0) + performance.now());
  }
}
