const scratch = new ArrayBuffer(8);
const words = new Uint32Array(scratch);
const float = new Float32Array(scratch);
const double = new Float64Array(scratch);
const big = new BigInt64Array(scratch);
const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
const low = littleEndian ? 0 : 1;
const high = littleEndian ? 1 : 0;

/** Up to this length a loop over characters beats a call into the runtime. */
const shortString = 24;

const initialSize = 4096;

/** A buffer that grew beyond this is not kept for the next message. */
const keptSize = 256 * 1024;

/** A Buffer with the method that Node's own `write` ends in. */
type Utf8Buffer = Buffer & { utf8Write(text: string, offset: number): number };

const bytesOf = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
const allocate = (size: number): Utf8Buffer => Buffer.allocUnsafeSlow(size) as Utf8Buffer;

/** Writes the protobuf wire format into a buffer that grows. Values are checked by who calls. */
export class Writer {
  #buffer = allocate(initialSize);
  #bytes = bytesOf(this.#buffer);
  #pos = 0;

  /** A copy of what was written; the writer is then empty again. */
  finish(): Uint8Array {
    // Not Buffer's own slice, which is a view.
    const result = Uint8Array.prototype.slice.call(this.#bytes, 0, this.#pos);
    this.reset();
    return result;
  }

  /** Forgets what was written. */
  reset(): void {
    this.#pos = 0;
    if (this.#buffer.length > keptSize) this.#use(allocate(initialSize));
  }

  uint32(value: number): void {
    this.#reserve(5);
    const buffer = this.#buffer;
    let at = this.#pos;
    while (value > 0x7f) {
      buffer[at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    buffer[at++] = value;
    this.#pos = at;
  }

  int32(value: number): void {
    if (value >= 0) this.uint32(value);
    else this.#varint(value >>> 0, 0xffffffff);
  }

  sint32(value: number): void {
    this.uint32(((value << 1) ^ (value >> 31)) >>> 0);
  }

  bool(value: boolean): void {
    this.uint32(value ? 1 : 0);
  }

  /** Signed or unsigned: the bits are the same. */
  int64(value: bigint): void {
    big[0] = value;
    this.#varint(words[low]!, words[high]!);
  }

  sint64(value: bigint): void {
    this.int64((value << 1n) ^ (value >> 63n));
  }

  /** Signed or unsigned. */
  fixed32(value: number): void {
    this.#reserve(4);
    const buffer = this.#buffer,
      at = this.#pos;
    buffer[at] = value & 255;
    buffer[at + 1] = (value >>> 8) & 255;
    buffer[at + 2] = (value >>> 16) & 255;
    buffer[at + 3] = value >>> 24;
    this.#pos = at + 4;
  }

  /** Signed or unsigned. */
  fixed64(value: bigint): void {
    big[0] = value;
    const first = words[low]!,
      second = words[high]!;
    this.fixed32(first);
    this.fixed32(second);
  }

  float(value: number): void {
    float[0] = value;
    this.fixed32(words[0]!);
  }

  double(value: number): void {
    double[0] = value;
    const first = words[low]!,
      second = words[high]!;
    this.fixed32(first);
    this.fixed32(second);
  }

  /** A length and the string in UTF-8; half of a surrogate pair becomes U+FFFD. */
  string(value: string): void {
    const { length } = value;
    if (length > shortString) return this.#longString(value);
    this.#reserve(1 + length);
    const buffer = this.#buffer,
      start = this.#pos;
    buffer[start] = length;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return this.#longString(value);
      buffer[start + 1 + index] = code;
    }
    this.#pos = start + 1 + length;
  }

  /** A length and the bytes. */
  bytes(value: Uint8Array): void {
    this.uint32(value.length);
    this.raw(value);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#pos);
    this.#pos += value.length;
  }

  /** Begins something that has its length in front; where it begins. */
  open(): number {
    this.#reserve(1);
    return ++this.#pos;
  }

  /** Ends what began there, and puts its length in front. */
  close(start: number): void {
    const length = this.#pos - start,
      more = sizeOfLength(length) - 1;
    if (more > 0) {
      this.#reserve(more);
      this.#buffer.copyWithin(start + more, start, this.#pos);
    }
    this.#pos = start - 1;
    this.uint32(length);
    this.#pos += length;
  }

  #longString(value: string): void {
    const { length } = value;
    // Most strings are ASCII: the length goes where it then fits exactly, and only others are moved.
    const guess = sizeOfLength(length);
    this.#reserve(guess + (length > 0x4000 ? Buffer.byteLength(value) : length * 3) + 2);
    const start = this.#pos + guess;
    const size = this.#buffer.utf8Write(value, start);
    const prefix = sizeOfLength(size);
    if (prefix !== guess) this.#buffer.copyWithin(start + prefix - guess, start, start + size);
    this.uint32(size);
    this.#pos += size;
  }

  #varint(lower: number, upper: number): void {
    this.#reserve(10);
    const buffer = this.#buffer;
    let at = this.#pos;
    while (upper > 0 || lower > 0x7f) {
      buffer[at++] = (lower & 0x7f) | 0x80;
      lower = ((lower >>> 7) | (upper << 25)) >>> 0;
      upper >>>= 7;
    }
    buffer[at++] = lower;
    this.#pos = at;
  }

  #reserve(count: number): void {
    if (this.#pos + count <= this.#buffer.length) return;
    const grown = allocate(Math.max(this.#buffer.length * 2, this.#pos + count));
    grown.set(this.#buffer.subarray(0, this.#pos));
    this.#use(grown);
  }

  #use(buffer: Utf8Buffer): void {
    this.#buffer = buffer;
    this.#bytes = bytesOf(buffer);
  }
}

/** How many bytes a length takes. */
function sizeOfLength(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x200000 ? 3 : length < 0x10000000 ? 4 : 5;
}
