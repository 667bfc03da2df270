import type { PlacementKey } from './catalog.js';

/** Below this many nobody looks whether they are still needed. */
const few = 64;

/**
 * What a registry has registered itself, by node, to be withdrawn when it closes. What expired because nobody renewed it is forgotten at the
 * latest when there are twice as many entries as were needed before: a process that registers ever new nodes does not grow by them.
 */
export class OwnRegistrations<Value> {
  readonly #entries = new Map<string, Value>();
  readonly #isOver: (value: Value) => boolean;
  #most = few;

  /** `isOver`: whether nothing of it is left that could be withdrawn. */
  constructor(isOver: (value: Value) => boolean) {
    this.#isOver = isOver;
  }

  get size(): number {
    return this.#entries.size;
  }

  set(key: PlacementKey, value: Value): void {
    this.#entries.set(textOf(key), value);
    if (this.#entries.size <= this.#most) return;
    for (const [text, one] of this.#entries) if (this.#isOver(one)) this.#entries.delete(text);
    this.#most = Math.max(few, 2 * this.#entries.size);
  }

  get(key: PlacementKey): Value | undefined {
    return this.#entries.get(textOf(key));
  }

  delete(key: PlacementKey): void {
    this.#entries.delete(textOf(key));
  }

  values(): readonly Value[] {
    return [...this.#entries.values()];
  }
}

function textOf({ namespace, name, version, id }: PlacementKey): string {
  return JSON.stringify([namespace, name, version, id]);
}
