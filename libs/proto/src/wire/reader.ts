import { isUtf8 } from 'node:buffer';
import { Invalid } from '../invalid.js';

/** How deep messages may nest: the limit of protobuf's own implementations. */
export const deepest = 100;

const utf8Slice = (Buffer.prototype as unknown as { utf8Slice(start: number, end: number): string }).utf8Slice;

const scratch = new ArrayBuffer(8);
const words = new Uint32Array(scratch);
const float = new Float32Array(scratch);
const double = new Float64Array(scratch);
const signed = new BigInt64Array(scratch);
const unsigned = new BigUint64Array(scratch);
const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
const low = littleEndian ? 0 : 1;
const high = littleEndian ? 1 : 0;

/** Up to this length a loop over bytes beats a call into the runtime. */
const shortString = 12;

/** Reads the protobuf wire format (protobuf.dev/programming-guides/encoding). Throws Invalid. */
export class Reader {
  readonly buffer: Uint8Array;
  readonly length: number;
  pos = 0;
  #low = 0;
  #high = 0;

  constructor(buffer: Uint8Array) {
    this.buffer = buffer;
    this.length = buffer.length;
  }

  /** Field number and wire type. */
  tag(): number {
    const { buffer } = this;
    const first = buffer[this.pos++]!;
    if (first < 0x80) return first;
    const second = buffer[this.pos++]!;
    if (second < 0x80) return (first & 0x7f) | (second << 7);
    this.pos -= 2;
    this.#varint();
    if (this.#high !== 0) throw new Invalid('a field has an impossible number');
    return this.#low;
  }

  uint32(): number {
    const first = this.buffer[this.pos]!;
    if (first < 0x80) {
      this.pos++;
      return first;
    }
    this.#varint();
    return this.#low;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  sint32(): number {
    const value = this.uint32();
    return (value >>> 1) ^ -(value & 1);
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  int64(): bigint {
    this.#varint();
    words[low] = this.#low;
    words[high] = this.#high;
    return signed[0]!;
  }

  uint64(): bigint {
    this.#varint();
    words[low] = this.#low;
    words[high] = this.#high;
    return unsigned[0]!;
  }

  sint64(): bigint {
    this.#varint();
    const sign = -(this.#low & 1);
    words[low] = ((this.#low >>> 1) | (this.#high << 31)) ^ sign;
    words[high] = (this.#high >>> 1) ^ sign;
    return signed[0]!;
  }

  fixed32(): number {
    return this.sfixed32() >>> 0;
  }

  sfixed32(): number {
    const { buffer } = this,
      at = this.#take(4);
    return buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24);
  }

  fixed64(): bigint {
    words[low] = this.sfixed32();
    words[high] = this.sfixed32();
    return unsigned[0]!;
  }

  sfixed64(): bigint {
    words[low] = this.sfixed32();
    words[high] = this.sfixed32();
    return signed[0]!;
  }

  float(): number {
    words[0] = this.sfixed32();
    return float[0]!;
  }

  double(): number {
    words[low] = this.sfixed32();
    words[high] = this.sfixed32();
    return double[0]!;
  }

  /** A string that must be UTF-8, as proto3 wants it. */
  string(): string {
    const end = this.end(),
      start = this.pos;
    this.pos = end;
    if (end - start <= shortString) {
      const { buffer } = this;
      let text = '';
      for (let at = start; at < end; at++) {
        const byte = buffer[at]!;
        if (byte > 0x7f) return this.#utf8(start, end);
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return this.#utf8(start, end);
  }

  /** A string that proto2 does not check: what is not UTF-8 becomes U+FFFD. */
  uncheckedString(): string {
    const end = this.end(),
      start = this.pos;
    this.pos = end;
    return utf8Slice.call(this.buffer, start, end);
  }

  /** A copy, so that a message does not keep the buffer it came in. */
  bytes(): Uint8Array {
    const end = this.end(),
      start = this.pos;
    this.pos = end;
    return new Uint8Array(this.buffer.subarray(start, end));
  }

  /** Reads a length; where what has that length ends. */
  end(): number {
    let length = this.buffer[this.pos]!;
    if (length < 0x80) {
      this.pos++;
    } else {
      this.#varint();
      if (this.#high !== 0) throw truncated();
      length = this.#low;
    }
    const end = this.pos + length;
    if (end > this.length) throw truncated();
    return end;
  }

  /** Skips a field that is not known, and adds where it was to the list of such places. */
  unknown(tag: number, start: number, depth: number, places: number[] | undefined): number[] {
    this.skip(tag, depth);
    if (places === undefined) return [start, this.pos];
    if (places[places.length - 1] === start) places[places.length - 1] = this.pos;
    else places.push(start, this.pos);
    return places;
  }

  /** Copies of the places of unknown fields. */
  chunks(places: readonly number[], into: Uint8Array[] = []): Uint8Array[] {
    for (let index = 0; index < places.length; index += 2)
      into.push(new Uint8Array(this.buffer.subarray(places[index], places[index + 1])));
    return into;
  }

  /** Skips the value of a field. */
  skip(tag: number, depth: number): void {
    if (tag >>> 3 === 0) throw new Invalid('a field has the number 0');
    switch (tag & 7) {
      case 0:
        this.#varint();
        return;
      case 1:
        this.#take(8);
        return;
      case 2:
        this.pos = this.end();
        return;
      case 3:
        this.#skipGroup(tag + 1, depth - 1);
        return;
      case 5:
        this.#take(4);
        return;
      default:
        throw new Invalid(
          `a field has the wire type ${tag & 7}, which ${(tag & 7) === 4 ? 'ends a group that did not begin' : 'does not exist'}`,
        );
    }
  }

  #skipGroup(stop: number, depth: number): void {
    if (depth <= 0) throw tooDeep();
    while (this.pos < this.length) {
      const tag = this.tag();
      if (tag === stop) return;
      this.skip(tag, depth);
    }
    throw truncated();
  }

  #take(count: number): number {
    const at = this.pos;
    this.pos += count;
    if (this.pos > this.length) throw truncated();
    return at;
  }

  #utf8(start: number, end: number): string {
    const text = utf8Slice.call(this.buffer, start, end);
    if (text.includes('\ufffd') && !isUtf8(this.buffer.subarray(start, end)))
      throw new Invalid('a string is not UTF-8');
    return text;
  }

  /** A varint of up to 64 bits into two words. */
  #varint(): void {
    const { buffer } = this;
    let at = this.pos,
      word = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = buffer[at++]!;
      word |= (byte & 0x7f) << shift;
      if (byte < 0x80) return this.#set(at, word, 0);
    }
    const middle = buffer[at++]!;
    word |= (middle & 0x0f) << 28;
    let top = (middle & 0x70) >> 4;
    if (middle < 0x80) return this.#set(at, word, top);
    for (let shift = 3; shift < 32; shift += 7) {
      const byte = buffer[at++]!;
      top |= (byte & 0x7f) << shift;
      if (byte < 0x80) return this.#set(at, word, top);
    }
    throw at > this.length ? truncated() : new Invalid('a number is longer than ten bytes');
  }

  #set(at: number, word: number, top: number): void {
    this.pos = at;
    this.#low = word >>> 0;
    this.#high = top >>> 0;
  }
}

export function truncated(): Invalid {
  return new Invalid('the bytes end too early');
}

export function tooDeep(): Invalid {
  return new Invalid(`messages are nested deeper than ${deepest}`);
}
