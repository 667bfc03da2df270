/** Work on the same key is done one after the other, in the order in which it was asked for; work on other keys meanwhile. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Resolves when what is being done to any of the keys now is done. */
  async take<Result>(keys: readonly string[], work: () => Promise<Result>): Promise<Result> {
    const before = keys.flatMap((key) => this.#last.get(key) ?? []);
    const turn = Promise.all(before).then(work);
    const over = turn.then(nothing, nothing);
    for (const key of keys) this.#last.set(key, over);
    try {
      return await turn;
    } finally {
      for (const key of keys) if (this.#last.get(key) === over) this.#last.delete(key);
    }
  }

  /** Resolves when all that is being done now is done. */
  async over(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}

function nothing(): void {}
