import { MicroError } from '@micro/errors';

/** One length-prefixed message as it stands on the wire (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export interface Frame {
  readonly compressed: boolean;
  readonly message: Buffer;
}

const prefixLength = 5;

/** Cuts the bytes of a stream into messages. Holds at most one incomplete message. */
export class FrameReader {
  readonly #limit: number;
  #pieces: Buffer[] = [];
  #size = 0;
  /** Bytes without which there is nothing to be had. */
  #needed = prefixLength;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a chunk, gives every message that is complete with it. MicroError `resource_exhausted` as soon as a prefix announces more than the limit. */
  push(chunk: Buffer, take: (frame: Frame) => void): void {
    this.#size += chunk.length;
    this.#pieces.push(chunk);
    if (this.#size < this.#needed) return;
    const bytes = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces, this.#size);
    let at = 0;
    let end = this.#endOfNext(bytes, at);
    while (end <= bytes.length) {
      take({ compressed: bytes[at] === 1, message: bytes.subarray(at + prefixLength, end) });
      at = end;
      end = this.#endOfNext(bytes, at);
    }
    this.#size = bytes.length - at;
    this.#pieces = this.#size > 0 ? [bytes.subarray(at)] : [];
    this.#needed = end - at;
  }

  /** Where the message that begins there ends; of one whose prefix is not complete, where that does. */
  #endOfNext(bytes: Buffer, at: number): number {
    if (bytes.length - at < prefixLength) return at + prefixLength;
    const flag = bytes[at] as number;
    if (flag > 1) throw new MicroError('internal', `a gRPC message begins with flag ${flag}; only 0 and 1 are defined`);
    const length = bytes.readUInt32BE(at + 1);
    if (length > this.#limit) {
      throw new MicroError(
        'resource_exhausted',
        `the message has ${length} bytes, more than the limit of ${this.#limit}`,
      );
    }
    return at + prefixLength + length;
  }

  /** Whether the stream ended in the middle of a message. */
  get incomplete(): boolean {
    return this.#size > 0;
  }
}

export function encodeFrame({ compressed, message }: { compressed: boolean; message: Uint8Array }): Buffer {
  const frame = Buffer.allocUnsafe(prefixLength + message.length);
  frame[0] = compressed ? 1 : 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixLength);
  return frame;
}

/** Percent-encodes a `grpc-message` (gRPC over HTTP/2, "Status-Message"). */
export function encodeStatusMessage(text: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
