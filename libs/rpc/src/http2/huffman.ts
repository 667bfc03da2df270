/**
 * The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: the lengths of the codes, in bits, say what they are. The last symbol is
 * the end of the string, which must not occur in one.
 */
// prettier-ignore
const lengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const endOfString = 256;

/** What half a byte does to a state of the decoder: the next state, and a symbol if one is complete. */
interface Step {
  readonly next: number;
  /** -1: none. */
  readonly symbol: number;
}

/** Steps by state and half byte; a state is an inner node of the tree of codes, the first its root. */
let steps: readonly (Step | undefined)[] | undefined;
/** States in which a string may end: what is begun is at most seven ones (RFC 7541, section 5.2). */
let final: ReadonlySet<number> = new Set();

/** Text of a string in the Huffman code, as Latin-1; undefined if the bytes are not in the code. */
export function huffmanDecoded(bytes: Buffer, from: number, to: number): string | undefined {
  steps ??= build();
  // No code is shorter than five bits.
  const text = Buffer.allocUnsafe(Math.ceil(((to - from) * 8) / 5));
  let length = 0;
  let state = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    for (const half of [byte >> 4, byte & 15]) {
      const step = steps[state * 16 + half];
      if (!step || step.symbol === endOfString) return undefined;
      if (step.symbol >= 0) text[length++] = step.symbol;
      state = step.next;
    }
  }
  return final.has(state) ? text.toString('latin1', 0, length) : undefined;
}

interface Branch {
  /** Number of the state, in the order in which the tree is built. */
  readonly state: number;
  readonly children: [Branch | number | undefined, Branch | number | undefined];
}

function build(): (Step | undefined)[] {
  const branches: Branch[] = [];
  const branch = (): Branch => {
    const made: Branch = { state: branches.length, children: [undefined, undefined] };
    branches.push(made);
    return made;
  };
  const root = branch();
  for (const { symbol, code, length } of codes()) {
    let node = root;
    for (let bit = length - 1; bit > 0; bit--) {
      const side = (code >>> bit) & 1;
      node = (node.children[side] ??= branch()) as Branch;
    }
    node.children[code & 1] = symbol;
  }
  final = paddings(root);
  return branches.flatMap((from) => Array.from({ length: 16 }, (_, half) => stepOf(from, half, root)));
}

/** Every symbol with its code: by length, then by symbol, each code the one before plus one. */
function codes(): { symbol: number; code: number; length: number }[] {
  const order = lengths
    .map((length, symbol) => ({ symbol, length }))
    .sort((one, other) => one.length - other.length || one.symbol - other.symbol);
  let code = -1;
  let before = order[0]?.length ?? 0;
  return order.map(({ symbol, length }) => {
    code = (code + 1) << (length - before);
    before = length;
    return { symbol, code, length };
  });
}

/** Half a byte holds the end of at most one code, which have five bits or more. */
function stepOf(from: Branch, half: number, root: Branch): Step | undefined {
  let node = from;
  let symbol = -1;
  for (let bit = 3; bit >= 0; bit--) {
    const child = node.children[(half >> bit) & 1];
    if (child === undefined) return undefined;
    if (typeof child === 'number') {
      symbol = child;
      node = root;
    } else node = child;
  }
  return { next: node.state, symbol };
}

function paddings(root: Branch): Set<number> {
  const states = new Set<number>();
  let node: Branch | number | undefined = root;
  for (let ones = 0; ones <= 7 && typeof node === 'object'; ones++) {
    states.add(node.state);
    node = node.children[1];
  }
  return states;
}
