/**
 * What the message of a blob says: the length of its JSON (4 bytes, big endian), the JSON, and of a small blob its content. Chunks are found by their
 * numbers in the stream, which are mostly one behind the other, and kept as pairs: the first, and how many.
 */
import { MicroError } from '@micro/errors';
import type { BlobInfo } from './blobs.js';

export interface BlobRecord {
  /** Of its writing: no other has it. */
  readonly id: string;
  readonly info: BlobInfo;
  /** Of a blob that is not small. */
  readonly content: ContentRecord | undefined;
  /** Of a small one. */
  readonly inline: Uint8Array;
}

/** Where content is. */
export interface ContentRecord {
  readonly id: string;
  /** Of each chunk but the last. */
  readonly chunkBytes: number;
  /** Pairs. */
  readonly chunks: readonly number[];
  /** The chunks are those of a list of pairs, as JSON, which was too long to be here. */
  readonly isList?: boolean;
}

export function encodeRecord({ id, info, content, inline }: BlobRecord): Buffer {
  const json = Buffer.from(JSON.stringify({ id, info, content }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, inline]);
}

/** MicroError `data_loss` for what no writer has written. */
export function decodeRecord(data: Uint8Array, subject: string): BlobRecord {
  try {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    const end = 4 + bytes.readUInt32BE(0);
    const { id, info, content } = JSON.parse(bytes.toString('utf8', 4, end)) as Omit<BlobRecord, 'inline'>;
    return { id, info, content, inline: new Uint8Array(bytes.subarray(end)) };
  } catch (error) {
    const detail = `what NATS has on ${subject} is no blob: write the blob again, or delete it`;
    throw new MicroError('data_loss', detail, { id: 'store', cause: error });
  }
}

/** Undefined for what no writer has written: nobody could find content by it. */
export function recordOf(data: Uint8Array, subject: string): BlobRecord | undefined {
  try {
    return decodeRecord(data, subject);
  } catch {
    return undefined;
  }
}

export function toPairs(sequences: readonly number[]): number[] {
  const pairs: number[] = [];
  for (const sequence of sequences) {
    const [first, count] = pairs.slice(-2);
    if (first !== undefined && count !== undefined && first + count === sequence) pairs[pairs.length - 1] = count + 1;
    else pairs.push(sequence, 1);
  }
  return pairs;
}

export function fromPairs(pairs: readonly number[]): number[] {
  const sequences: number[] = [];
  for (let at = 0; at < pairs.length; at += 2)
    for (let index = 0; index < (pairs[at + 1] as number); index++) sequences.push((pairs[at] as number) + index);
  return sequences;
}
