import type { Given } from './jetstream-group-state.js';
import type { Terms } from './validation.js';

/** Milliseconds in which a consumer asks again. */
const patience = 1_000;

/** What was given out to consumers here that had stopped waiting for it. The next that each gets, so that it gets all in order; else it is given back. */
export class Unclaimed {
  readonly #kept = new Map<Given, { readonly terms: Terms; readonly timer: NodeJS.Timeout }>();
  readonly #giveBack: (given: Given) => void;

  constructor(giveBack: (given: Given) => void) {
    this.#giveBack = giveBack;
  }

  /** `terms` are the consumer's own, which tell it from others. */
  keep(given: Given, terms: Terms): void {
    const timer = setTimeout(() => {
      this.#kept.delete(given);
      this.#giveBack(given);
    }, patience).unref();
    this.#kept.set(given, { terms, timer });
  }

  /** The first of a consumer's, which is its from now on; of those before an offset. */
  take(terms: Terms, before = Infinity): Given | undefined {
    let first: Given | undefined;
    for (const [given, kept] of this.#kept)
      if (kept.terms === terms && given.offset < (first?.offset ?? before)) first = given;
    if (first) {
      clearTimeout(this.#kept.get(first)?.timer);
      this.#kept.delete(first);
    }
    return first;
  }
}
