/** So many may have been read before those in which there is nothing are forgotten: anybody may ask for any. */
const mostForgettable = 1_000;

interface Read {
  readonly known: Promise<void>;
  readers: number;
}

/** Namespaces that are kept up to date, because somebody reads them or has: who has asked once is soon to ask again. */
export class Readers {
  readonly #lookAround: (namespace: string) => Promise<void>;
  readonly #isEmpty: (namespace: string) => boolean;
  readonly #namespaces = new Map<string, Read>();
  #forgetAt = mostForgettable;

  /** `lookAround` resolves when it is known who is in a namespace. */
  constructor(lookAround: (namespace: string) => Promise<void>, isEmpty: (namespace: string) => boolean) {
    this.#lookAround = lookAround;
    this.#isEmpty = isEmpty;
  }

  get size(): number {
    return this.#namespaces.size;
  }

  has(namespace: string): boolean {
    return this.#namespaces.has(namespace);
  }

  /** Reads a namespace once it is known who is there; at once if it was read before. It is kept at least until `read` is done. */
  async reading<Result>(namespace: string, read: () => Result | Promise<Result>): Promise<Result> {
    const one = this.#read(namespace);
    one.readers++;
    try {
      await one.known;
      return await read();
    } finally {
      one.readers--;
      this.#forgetEmpty();
    }
  }

  #read(namespace: string): Read {
    const before = this.#namespaces.get(namespace);
    if (before) return before;
    // In the map before the look around begins, which keeps what it finds for those that are.
    const known = Promise.resolve().then(() => this.#lookAround(namespace));
    known.catch(() => this.#namespaces.delete(namespace));
    const one = { known, readers: 0 };
    this.#namespaces.set(namespace, one);
    return one;
  }

  #forgetEmpty(): void {
    if (this.#namespaces.size <= this.#forgetAt) return;
    for (const [namespace, { readers }] of this.#namespaces)
      if (readers === 0 && this.#isEmpty(namespace)) this.#namespaces.delete(namespace);
    this.#forgetAt = Math.max(mostForgettable, 2 * this.#namespaces.size);
  }
}
