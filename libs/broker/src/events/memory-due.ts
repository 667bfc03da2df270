interface Entry<T> {
  readonly due: number;
  readonly offset: number;
  readonly row: T;
}

/** Rows by when they are due, then by offset: a binary heap, in which what is no longer so is passed over. */
export class DueQueue<T extends { readonly due: number; readonly offset: number }> {
  readonly #isCurrent: (row: T) => boolean;
  #heap: Entry<T>[] = [];
  /** Entries at the last tidying. */
  #tidied = 0;

  constructor(isCurrent: (row: T) => boolean) {
    this.#isCurrent = isCurrent;
  }

  /** To be called again when its `due` has changed. */
  push(row: T): void {
    if (this.#heap.length > 2 * this.#tidied + 1_000) this.#tidy();
    this.#heap.push({ due: row.due, offset: row.offset, row });
    this.#up(this.#heap.length - 1);
  }

  first(): T | undefined {
    for (let top = this.#heap[0]; top; top = this.#heap[0]) {
      if (top.due === top.row.due && this.#isCurrent(top.row)) return top.row;
      this.#pop();
    }
    return undefined;
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down(0);
    }
  }

  #tidy(): void {
    this.#heap = this.#heap.filter(({ due, row }) => due === row.due && this.#isCurrent(row)).sort(compare);
    this.#tidied = this.#heap.length;
  }

  #up(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#swap(parent, at)) return;
      at = parent;
    }
  }

  #down(from: number): void {
    for (let at = from; ;) {
      const left = 2 * at + 1;
      const [one, other] = [this.#heap[left], this.#heap[left + 1]];
      if (!one) return;
      const least = other && compare(other, one) < 0 ? left + 1 : left;
      if (!this.#swap(at, least)) return;
      at = least;
    }
  }

  /** Puts the two in order; false if they were. */
  #swap(above: number, below: number): boolean {
    const [high, low] = [this.#heap[above], this.#heap[below]];
    if (!high || !low || compare(low, high) >= 0) return false;
    this.#heap[above] = low;
    this.#heap[below] = high;
    return true;
  }
}

function compare(one: Entry<unknown>, other: Entry<unknown>): number {
  return one.due - other.due || one.offset - other.offset;
}
