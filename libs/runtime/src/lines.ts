/** A line longer than this is cut, so that a program that never ends its line cannot fill the memory. */
export const maxLineBytes = 64 * 1024;

const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * Cuts a stream of bytes into lines, without their ends. What it holds back is the beginning of a line whose end has not come, never more
 * than the longest line. The buffers it gives may share memory with those it got.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  constructor(readonly longest = maxLineBytes) {}

  /** Bytes of the line that has no end yet. */
  get held(): number {
    return this.#rest.length;
  }

  *push(chunk: Buffer): Generator<Buffer> {
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let from = 0;
    for (;;) {
      const end = data.indexOf(newline, from);
      if (end === -1) break;
      yield* this.#pieces(data.subarray(from, data[end - 1] === carriageReturn && end > from ? end - 1 : end));
      from = end + 1;
    }
    data = data.subarray(from);
    while (data.length > this.longest) {
      const cut = boundary(data, this.longest);
      yield data.subarray(0, cut);
      data = data.subarray(cut);
    }
    // A copy: the chunk's memory may be used again for the next read.
    this.#rest = Buffer.from(data);
  }

  /** What is left when no more will come. */
  *end(): Generator<Buffer> {
    if (this.#rest.length > 0) yield this.#rest;
    this.#rest = Buffer.alloc(0);
  }

  *#pieces(line: Buffer): Generator<Buffer> {
    let rest = line;
    while (rest.length > this.longest) {
      const cut = boundary(rest, this.longest);
      yield rest.subarray(0, cut);
      rest = rest.subarray(cut);
    }
    yield rest;
  }
}

/** Where to cut, so that no UTF-8 sequence is torn: before its first byte. Binary garbage is cut anywhere. */
function boundary(data: Buffer, longest: number): number {
  for (let cut = longest; cut > longest - 4; cut--) {
    if (((data[cut] ?? 0) & 0xc0) !== 0x80) return cut;
  }
  return longest;
}
