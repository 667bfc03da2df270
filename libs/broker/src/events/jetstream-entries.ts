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

export function parsedEntry(data: Uint8Array): Entry {
  const entry = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as Entry;
  if (entry.v > entryVersion) {
    const detail = `the journal of a group is written in version ${entry.v}, this Micro knows ${entryVersion}: use a newer one`;
    throw new MicroError('failed_precondition', detail, { id: 'broker' });
  }
  return entry;
}

/**
 * The time of JetStream's servers, in milliseconds since 1970, as this process reckons it: learned once, then by a clock that nobody sets. So clocks of
 * ours, which may be set or wrong, do not matter.
 */
export class ServerClock {
  #base: number | undefined;

  get isSet(): boolean {
    return this.#base !== undefined;
  }

  /** What was sent at `sent`, by `performance.now()`, was stored at `at`. */
  set(at: number, sent: number): void {
    this.#base ??= at - sent;
  }

  now(): number {
    return Math.round((this.#base ?? 0) + performance.now());
  }
}
