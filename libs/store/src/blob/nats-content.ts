/** Content in chunks: written several at a time, and read several ahead. */
import { createHash, randomBytes } from 'node:crypto';
import { MicroError } from '@micro/errors';
import { type Content, type Operation, pieces, unlessAborted } from './flow.js';
import type { Loose, OwnNote } from './nats-loose.js';
import { type ContentRecord, fromPairs, toPairs } from './nats-record.js';
import type { BlobStreams } from './nats-streams.js';
import { contentSubject } from './nats-subjects.js';

/** What has been written. */
export interface Written {
  readonly size: number;
  readonly sha256: string;
  readonly content: ContentRecord | undefined;
  readonly inline: Uint8Array;
  /** Of content that no blob has yet. */
  readonly note: OwnNote | undefined;
}

export interface Writing {
  readonly streams: BlobStreams;
  readonly loose: Loose;
  /** Where the blob is to be. */
  readonly subject: string;
  readonly content: Content;
  readonly operation: Operation;
}

/** Content up to here is in the message of its blob. */
const inlineBytes = 16 * 1024;
/** Of a chunk, where the server takes so much. */
const largestChunk = 256 * 1024;
/** Bytes of a message that are not content: headers. */
const headBytes = 1_024;
/** Chunks on their way to the server, and from it. */
const ahead = 8;
/** Characters of the list of chunks that fit in the message of a blob. */
const longestList = 64 * 1024;

/** Bytes of a chunk, and characters of the list of all. */
export interface Sizes {
  readonly chunkBytes: number;
  readonly longestList: number;
}

/** Writes what `content` yields; what it has written is noted as loose. Leaves nothing behind where it throws. */
export async function writeContent(
  writing: Writing,
  sizes: Sizes = { chunkBytes: Math.min(largestChunk, writing.streams.mostBytes - headBytes), longestList },
): Promise<Written> {
  const { operation, content } = writing;
  const { chunkBytes } = sizes;
  const hash = createHash('sha256');
  let chunk = Buffer.allocUnsafe(chunkBytes);
  let filled = 0;
  let size = 0;
  let writer: ChunkWriter | undefined;
  try {
    for await (const piece of pieces(content, chunkBytes, operation.signal)) {
      hash.update(piece);
      size += piece.length;
      for (let at = 0; at < piece.length;) {
        const taken = Math.min(piece.length - at, chunkBytes - filled);
        chunk.set(piece.subarray(at, at + taken), filled);
        at += taken;
        filled += taken;
        if (filled < chunkBytes) continue;
        writer ??= await ChunkWriter.begin(writing);
        await writer.write(chunk);
        chunk = Buffer.allocUnsafe(chunkBytes);
        filled = 0;
      }
    }
    const sha256 = hash.digest('hex');
    const rest = chunk.subarray(0, filled);
    if (!writer && size <= inlineBytes) return { size, sha256, content: undefined, inline: rest, note: undefined };
    writer ??= await ChunkWriter.begin(writing);
    if (filled > 0) await writer.write(rest);
    const record = await writer.end(sizes);
    return { size, sha256, content: record, inline: new Uint8Array(), note: writer.note };
  } catch (error) {
    await writer?.giveUp();
    throw error;
  }
}

/** Takes back what has been written. Whoever cannot leaves it to the note. */
export async function discardContent({ streams, loose }: Writing, note: OwnNote | undefined): Promise<void> {
  if (!note) return;
  try {
    await streams.removeContent(note.id);
    await loose.forget(note);
  } catch {
    // The note is there.
  }
}

/** The chunks that hold the bytes from `offset` to `end`, one after the other. */
export async function* readContent(
  streams: BlobStreams,
  { content, size }: { readonly content: ContentRecord; readonly size: number },
  { offset, end, signal }: { readonly offset: number; readonly end: number; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const { chunkBytes } = content;
  const sequences = await sequencesOf(streams, content);
  const fetched: Promise<Uint8Array>[] = [];
  const last = Math.ceil(end / chunkBytes);
  let next = Math.floor(offset / chunkBytes);
  const fetch = (index: number) => {
    const length = Math.min(chunkBytes, size - index * chunkBytes);
    const chunk = streams.chunk(content.id, sequences[index] ?? 0).then((bytes) => {
      if (bytes?.length === length) return bytes;
      throw new MicroError('data_loss', 'a part of the content is missing', { id: 'store' });
    });
    // Who leaves early does not care.
    chunk.catch(() => undefined);
    return chunk;
  };
  for (let index = next; index < last; index++) {
    while (next < last && fetched.length < ahead) fetched.push(fetch(next++));
    const [oldest] = fetched.splice(0, 1) as [Promise<Uint8Array>];
    const chunk = await unlessAborted(() => oldest, signal);
    const begin = index * chunkBytes;
    // A copy: what comes from the client is a part of more.
    yield new Uint8Array(chunk.subarray(Math.max(0, offset - begin), Math.max(0, end - begin)));
  }
}

async function sequencesOf(streams: BlobStreams, { id, chunks, isList }: ContentRecord): Promise<readonly number[]> {
  if (!isList) return fromPairs(chunks);
  const parts: Uint8Array[] = [];
  for (const sequence of fromPairs(chunks)) {
    const part = await streams.chunk(id, sequence);
    if (!part) throw new MicroError('data_loss', 'the list of the chunks is missing', { id: 'store' });
    parts.push(part);
  }
  return fromPairs(JSON.parse(Buffer.concat(parts).toString()) as number[]);
}

/** The chunks of one writing. */
class ChunkWriter {
  readonly note: OwnNote;
  readonly #writing: Writing;
  readonly #sequences: number[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #count = 0;
  #failure: { readonly error: unknown } | undefined;
  /** Whether a chunk was not answered: it may be kept, or may be later. */
  #mayCome = false;
  #renewing: Promise<void> = Promise.resolve();

  private constructor(writing: Writing, note: OwnNote) {
    this.#writing = writing;
    this.note = note;
    this.#timer = setInterval(() => this.#renew(), writing.loose.renewEvery).unref();
  }

  static async begin(writing: Writing): Promise<ChunkWriter> {
    const id = randomBytes(12).toString('hex');
    return new ChunkWriter(writing, await writing.loose.note(id, writing.subject));
  }

  /** Resolves when there is room for another. The bytes become its own. */
  async write(bytes: Uint8Array): Promise<void> {
    const { streams, loose, operation } = this.#writing;
    await this.#renewing;
    await loose.check(this.note);
    operation.signal.throwIfAborted();
    const index = this.#count++;
    const { id } = this.note;
    const sent = streams.publish(contentSubject(id), bytes, { id: `${id}.${index}` }).then(
      (sequence) => void (this.#sequences[index] = sequence),
      (error: unknown) => {
        this.#failure ??= { error };
        this.#mayCome ||= MicroError.from(error).code === 'unavailable';
      },
    );
    const settled = sent.finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
    if (this.#underWay.size >= ahead) await Promise.race(this.#underWay);
    if (this.#failure) throw this.#failure.error;
  }

  /** Resolves when all is kept. */
  async end({ chunkBytes, longestList }: Sizes): Promise<ContentRecord> {
    const { id } = this.note;
    await this.#all();
    const chunks = toPairs(this.#sequences);
    const list = Buffer.from(JSON.stringify(chunks));
    if (list.length <= longestList) {
      await this.#stop();
      return { id, chunkBytes, chunks };
    }
    const first = this.#count;
    for (let at = 0; at < list.length; at += chunkBytes) await this.write(list.subarray(at, at + chunkBytes));
    await this.#all();
    await this.#stop();
    return { id, chunkBytes, chunks: toPairs(this.#sequences.slice(first)), isList: true };
  }

  async giveUp(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.#stop();
    // What comes after it was taken back nobody would find: that is left to the note.
    if (!this.#mayCome) await discardContent(this.#writing, this.note);
  }

  async #all(): Promise<void> {
    await Promise.all(this.#underWay);
    if (this.#failure) throw this.#failure.error;
    this.#writing.operation.signal.throwIfAborted();
  }

  /** Also while content is waited for. */
  #renew(): void {
    this.#renewing = this.#renewing
      .then(() => this.#writing.loose.renew(this.note))
      .catch((error: unknown) => void (this.#failure ??= { error }));
  }

  async #stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
  }
}
