/**
 * A snapshot as a file: a line that says what it is; each record as its length (4 bytes, big-endian) and a store.SnapshotRecord of store.proto; then
 * a length of 0, the number of records (8 bytes) and the SHA-256 of all that came before it.
 */
import { createHash } from 'node:crypto';
import { MicroError } from '@micro/errors';
import { type MessageCodec, storeProto } from '@micro/proto';
import { fromSnapshotMessage, toSnapshotMessage } from './messages.js';
import type { SnapshotRecord } from './store.js';

const header = Buffer.from('micro store snapshot 1\n');
/** Of a frame. A record has at most 2 MiB and some. */
const largest = 4 * 1024 * 1024;
/** Of what is gathered before it is given on. */
const pieceBytes = 64 * 1024;
const endBytes = 8 + 32;

let found: MessageCodec<storeProto.SnapshotRecord> | undefined;

/** The bytes of a snapshot, in pieces of 64 KiB and what a record has beyond that. */
export async function* encodeSnapshot(records: AsyncIterable<SnapshotRecord>): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256');
  let piece: Uint8Array[] = [header];
  let bytes = header.length;
  let count = 0n;
  const whole = () => {
    const joined = Buffer.concat(piece);
    hash.update(joined);
    piece = [];
    bytes = 0;
    return joined;
  };
  for await (const record of records) {
    const message = codec().encode(toSnapshotMessage(record));
    piece.push(number(message.length, 4), message);
    bytes += 4 + message.length;
    count++;
    if (bytes >= pieceBytes) yield whole();
  }
  piece.push(number(0, 4), number(count, 8));
  yield whole();
  yield hash.digest();
}

/**
 * The records of a snapshot. MicroError `data_loss` for one that was cut off or has changed, which is known for certain at its end: nothing is to be
 * done with its records before, as restore() does.
 */
export async function* decodeSnapshot(bytes: AsyncIterable<Uint8Array>): AsyncIterable<SnapshotRecord> {
  const reader = new Reader(bytes);
  try {
    if (!(await reader.take(header.length)).equals(header))
      throw broken('it does not begin as one: it is another file');
    let count = 0n;
    for (;;) {
      const length = (await reader.take(4)).readUInt32BE();
      if (length === 0) break;
      if (length > largest) throw broken('it has changed');
      yield record(await reader.take(length));
      count++;
    }
    const expected = (await reader.take(8)).readBigUInt64BE();
    const sum = reader.sum();
    const end = await reader.take(endBytes - 8);
    if (expected !== count || !end.equals(sum)) throw broken('it has changed since it was taken');
    if (!(await reader.isOver())) throw broken('something follows it');
  } finally {
    await reader.close();
  }
}

/** Takes bytes by number from pieces of any size. */
class Reader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #hash = createHash('sha256');
  #rest = Buffer.alloc(0);

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Buffer> {
    const parts = [this.#rest];
    let bytes = this.#rest.length;
    while (bytes < length) {
      const next = await this.#pieces.next();
      if (next.done) throw broken('it is cut off');
      parts.push(Buffer.from(next.value));
      bytes += next.value.length;
    }
    const all = parts.length === 1 ? this.#rest : Buffer.concat(parts);
    this.#rest = all.subarray(length);
    const taken = all.subarray(0, length);
    this.#hash.update(taken);
    return taken;
  }

  /** Of all that was taken so far. */
  sum(): Buffer {
    return this.#hash.copy().digest();
  }

  async isOver(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#pieces.next();
      if (next.done) return true;
      this.#rest = Buffer.from(next.value);
    }
    return false;
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}

function record(bytes: Uint8Array): SnapshotRecord {
  try {
    return fromSnapshotMessage(codec().decode(bytes));
  } catch {
    throw broken('it has changed');
  }
}

function number(value: number | bigint, bytes: 4 | 8): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 8) buffer.writeBigUInt64BE(BigInt(value));
  else buffer.writeUInt32BE(Number(value));
  return buffer;
}

function codec(): MessageCodec<storeProto.SnapshotRecord> {
  return (found ??= storeProto.Store.methods.find(({ localName }) => localName === 'snapshot')
    ?.output as MessageCodec<storeProto.SnapshotRecord>);
}

function broken(how: string): MicroError {
  const detail = `the snapshot cannot be used, ${how}: nothing is restored. Take another copy of it, or another snapshot`;
  return new MicroError('data_loss', detail, { id: 'store' });
}
