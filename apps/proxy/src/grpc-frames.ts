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
  #pending: Buffer | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The messages that are complete with this chunk. MicroError `resource_exhausted` as soon as a prefix announces more than the limit. */
  push(chunk: Buffer): Frame[] {
    let bytes = this.#pending ? Buffer.concat([this.#pending, chunk]) : chunk;
    const frames: Frame[] = [];
    while (bytes.length >= prefixLength) {
      const flag = bytes[0] as number;
      if (flag > 1) throw new MicroError('internal', `a gRPC message begins with flag ${flag}; only 0 and 1 are defined`);
      const length = bytes.readUInt32BE(1);
      if (length > this.#limit) {
        throw new MicroError('resource_exhausted', `the message has ${length} bytes, more than the limit of ${this.#limit}`);
      }
      const end = prefixLength + length;
      if (bytes.length < end) break;
      frames.push({ compressed: flag === 1, message: bytes.subarray(prefixLength, end) });
      bytes = bytes.subarray(end);
    }
    this.#pending = bytes.length > 0 ? bytes : undefined;
    return frames;
  }

  /** Whether the stream ended in the middle of a message. */
  get incomplete(): boolean {
    return this.#pending !== undefined;
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
    encoded += byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
