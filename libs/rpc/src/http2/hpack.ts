import { headerName, notInValue } from '../http-fields.js';
import { huffmanDecoded } from './huffman.js';

/** The static table (RFC 7541, appendix A): indices from 1. */
// prettier-ignore
const staticTable: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'], [':scheme', 'http'],
  [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'], [':status', '304'], [':status', '400'],
  [':status', '404'], [':status', '500'], ['accept-charset', ''], ['accept-encoding', 'gzip, deflate'], ['accept-language', ''],
  ['accept-ranges', ''], ['accept', ''], ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''],
  ['cache-control', ''], ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''], ['expect', ''],
  ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''], ['if-none-match', ''], ['if-range', ''],
  ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''], ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''],
  ['proxy-authorization', ''], ['range', ''], ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''], ['www-authenticate', ''],
];

/** A header block that cannot be read. What follows on the connection cannot be, either: the tables of both sides differ from now on. */
export class CompressionError extends Error {
  override readonly name = 'CompressionError';
}

/** What an entry of the dynamic table counts beside its name and value (RFC 7541, section 4.1), and a header in SETTINGS_MAX_HEADER_LIST_SIZE. */
const entryOverhead = 32;

/** The list of headers is larger than allowed. The block was read to its end, and the tables are as they should be. */
export const tooLarge = Symbol('header list too large');

/** Reads the header blocks of one connection (HPACK, RFC 7541). */
export class HpackDecoder {
  readonly #listBytes: number;
  readonly #tableBytes: number;
  /** Newest last; the one with index 62 is at the end. */
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  #size = 0;
  #limit: number;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** `tableBytes`: as announced by SETTINGS_HEADER_TABLE_SIZE. `listBytes`: of a list of headers at most. */
  constructor({ tableBytes = 4096, listBytes }: { readonly tableBytes?: number; readonly listBytes: number }) {
    this.#tableBytes = tableBytes;
    this.#limit = tableBytes;
    this.#listBytes = listBytes;
  }

  /** Headers, flat: name, value, name, value … Throws CompressionError. */
  decode(block: Buffer): string[] | typeof tooLarge {
    this.#block = block;
    this.#at = 0;
    const headers: string[] = [];
    let size = 0;
    let begun = false;
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        if (begun) throw new CompressionError('the size of the table changes within a block');
        this.#resize(this.#integer(5));
        continue;
      }
      begun = true;
      const [name, value] = this.#field(first);
      size += name.length + value.length + entryOverhead;
      // Read on, for the table's sake; nothing is kept of it.
      if (size <= this.#listBytes) headers.push(name, value);
    }
    this.#block = Buffer.alloc(0);
    return size <= this.#listBytes ? headers : tooLarge;
  }

  /** One representation of a header (RFC 7541, section 6). */
  #field(first: number): readonly [string, string] {
    if (first >= 0x80) return this.#entry(this.#integer(7));
    const indexed = first >= 0x40;
    const index = this.#integer(indexed ? 6 : 4);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    const value = this.#string();
    if (indexed) this.#add(name, value);
    return [name, value];
  }

  #entry(index: number): readonly [string, string] {
    if (index === 0) throw new CompressionError('index 0 stands for nothing');
    if (index <= staticTable.length) return staticTable[index - 1] as readonly [string, string];
    const at = this.#names.length - (index - staticTable.length);
    if (at < 0) throw new CompressionError(`the table has no entry ${index}`);
    return [this.#names[at] as string, this.#values[at] as string];
  }

  #add(name: string, value: string): void {
    const size = name.length + value.length + entryOverhead;
    this.#evict(this.#limit - size);
    if (size > this.#limit) return;
    this.#names.push(name);
    this.#values.push(value);
    this.#size += size;
  }

  #resize(limit: number): void {
    if (limit > this.#tableBytes) throw new CompressionError(`a table of ${limit} bytes is larger than allowed`);
    this.#limit = limit;
    this.#evict(limit);
  }

  #evict(limit: number): void {
    let gone = 0;
    while (this.#size > limit && gone < this.#names.length) {
      this.#size -= (this.#names[gone] as string).length + (this.#values[gone] as string).length + entryOverhead;
      gone++;
    }
    if (gone === 0) return;
    this.#names.splice(0, gone);
    this.#values.splice(0, gone);
  }

  /** An integer whose first byte has `bits` bits of it (RFC 7541, section 5.1). */
  #integer(bits: number): number {
    const mask = 2 ** bits - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (shift > 21) throw new CompressionError('an integer is too large');
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  #string(): string {
    const coded = (this.#block[this.#at] ?? 0) >= 0x80;
    const length = this.#integer(7);
    const from = this.#at;
    const to = from + length;
    if (to > this.#block.length) throw new CompressionError('a string is longer than its block');
    this.#at = to;
    if (!coded) return this.#block.toString('latin1', from, to);
    const text = huffmanDecoded(this.#block, from, to);
    if (text === undefined) throw new CompressionError('a string is not in the Huffman code');
    return text;
  }

  #byte(): number {
    const byte = this.#block[this.#at++];
    if (byte === undefined) throw new CompressionError('the block ends in the middle of a header');
    return byte;
  }
}

/** Index of a name, and of a name with its value, in the static table. */
const staticIndex = new Map<string, number>();
for (const [index, [name, value]] of staticTable.entries()) {
  if (value !== '') staticIndex.set(`${name}: ${value}`, index + 1);
  if (!staticIndex.has(name)) staticIndex.set(name, index + 1);
}

/**
 * A header block of the headers, flat: name, value, name, value … in lower case. Uses the static table alone, so that a block depends on
 * nothing that was sent before, and secrets leave no trace in a table (RFC 7541, section 7.1). What no header can carry is left out: it must
 * not cost the answer.
 */
export function encodeHeaders(headers: readonly string[]): Buffer {
  let size = 0;
  for (const text of headers) size += text.length + 6;
  const block = Buffer.allocUnsafe(size);
  let at = 0;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string;
    const value = headers[index + 1] as string;
    const whole = staticIndex.get(`${name}: ${value}`);
    if (whole !== undefined) {
      block[at++] = 0x80 | whole;
      continue;
    }
    const named = staticIndex.get(name);
    if ((named === undefined && headerName(name) !== name) || notInValue.test(value)) continue;
    at =
      named === undefined ? writeString(block, writeInteger(block, at, 4, 0), name) : writeInteger(block, at, 4, named);
    at = writeString(block, at, value);
  }
  return block.subarray(0, at);
}

function writeString(block: Buffer, at: number, text: string): number {
  const from = writeInteger(block, at, 7, text.length);
  return from + block.write(text, from, 'latin1');
}

/** Writes an integer behind the zero bits of its first byte; returns where it ends. */
function writeInteger(block: Buffer, at: number, bits: number, value: number): number {
  const mask = 2 ** bits - 1;
  if (value < mask) {
    block[at] = value;
    return at + 1;
  }
  block[at] = mask;
  let rest = value - mask;
  let end = at + 1;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) block[end++] = (rest & 0x7f) | 0x80;
  block[end] = rest;
  return end + 1;
}
