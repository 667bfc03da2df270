import { createHash, randomUUID } from 'node:crypto';
import { MicroError } from '@micro/errors';
import { type NatsClient, type NatsOptions, openNats } from '@micro/nats';
import {
  type BlobInfo,
  type BlobOptions,
  type BlobPage,
  type BlobReading,
  Blobs,
  type ListBlobsOptions,
  type ReadBlobOptions,
  type WriteBlobOptions,
} from './blobs.js';
import { type Content, type Operation, Operations, readOnce } from './flow.js';
import { discardContent, readContent, writeContent, type Writing, type Written } from './nats-content.js';
import { isAborted, Loose, type OwnNote } from './nats-loose.js';
import { type BlobRecord, decodeRecord, encodeRecord, recordOf } from './nats-record.js';
import { BlobStreams } from './nats-streams.js';
import { infoStream, infoSubject, infoSubjects, keyOf } from './nats-subjects.js';
import {
  checkedDescription,
  checkedKey,
  checkedListing,
  checkedPlace,
  checkedRange,
  checkHash,
  cursorOf,
  type Description,
  endOf,
  notFound,
  type Place,
  quote,
} from './validation.js';

export interface NatsBlobsOptions extends Omit<NatsOptions, 'id'> {
  /** Servers that keep each byte. Default 1. */
  readonly replicas?: number;
  /** Milliseconds after which what a dead process has left may go, and what is replaced or deleted: four times as much later it is gone. Default 120,000. */
  readonly grace?: number;
}

/** Blobs whose messages are asked for at a time to list them. */
const listedAtOnce = 32;

/** Connects, and makes the streams where they are not there yet; MicroError where that does not work, saying which setting to look at. */
export async function openNatsBlobs({
  replicas = 1,
  grace = 120_000,
  ...options
}: NatsBlobsOptions): Promise<NatsBlobs> {
  const nats = await openNats({ ...options, id: 'store' });
  try {
    return new NatsBlobs(nats, await BlobStreams.open(nats, replicas), grace);
  } catch (error) {
    await nats.close();
    throw error;
  }
}

/**
 * Blobs on JetStream, laid out as the object store of NATS lays its out: a message a blob, which says where its chunks are. The message is put in place
 * when all chunks are kept, so a reader has the one or the other; chunks go a good while after their blob, and not while they are read.
 */
export class NatsBlobs extends Blobs {
  readonly #nats: NatsClient;
  readonly #streams: BlobStreams;
  readonly #loose: Loose;
  readonly #operations = new Operations();
  readonly #writes = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  /** The connection becomes theirs, and is closed with them. */
  constructor(nats: NatsClient, streams: BlobStreams, grace: number) {
    super();
    this.#nats = nats;
    this.#streams = streams;
    this.#loose = new Loose(streams, grace);
  }

  override async write(key: string, content: Content, options: WriteBlobOptions = {}): Promise<BlobInfo> {
    this.#operations.check();
    const subject = infoSubject(checkedPlace(options), checkedKey(key));
    const description = checkedDescription(options);
    const operation = this.#operations.begin(options.signal);
    const writing = { streams: this.#streams, loose: this.#loose, subject, content, operation };
    return this.#tracked(this.#write(key, writing, description).finally(operation.end));
  }

  override async read(key: string, options: ReadBlobOptions = {}): Promise<BlobReading> {
    this.#operations.check();
    const place = checkedPlace(options);
    const range = checkedRange(options);
    const subject = infoSubject(place, checkedKey(key));
    const operation = this.#operations.begin(options.signal);
    let release = operation.end;
    try {
      const record = await this.#record(key, place);
      const end = endOf(range, key, record.info.size);
      const { content } = record;
      const free = content && end > range.offset ? this.#loose.hold(content.id) : () => undefined;
      release = () => {
        free();
        operation.end();
      };
      operation.signal.throwIfAborted();
      const begin = () => this.#content(record, { subject, offset: range.offset, end, operation, release });
      return { info: record.info, content: readOnce(begin, release) };
    } catch (error) {
      release();
      throw error;
    }
  }

  override async info(key: string, options?: BlobOptions): Promise<BlobInfo> {
    this.#operations.check();
    const place = checkedPlace(options);
    return (await this.#record(checkedKey(key), place)).info;
  }

  override async list(options: ListBlobsOptions = {}): Promise<BlobPage> {
    this.#operations.check();
    const place = checkedPlace(options);
    const { prefix, limit, after } = checkedListing(options);
    const from = after === undefined ? undefined : Buffer.from(after);
    const keys = (await this.#streams.subjects(infoStream, infoSubjects(place, prefix)))
      .map(keyOf)
      .filter((key) => key.startsWith(prefix))
      .map((key) => Buffer.from(key))
      .filter((key) => !from || key.compare(from) > 0)
      .sort((one, other) => one.compare(other));
    const page = keys.slice(0, limit).map(String);
    const last = keys.length > page.length ? page.at(-1) : undefined;
    return { blobs: await this.#infos(page, place), cursor: last === undefined ? undefined : cursorOf(last) };
  }

  override async delete(key: string, options?: BlobOptions): Promise<void> {
    this.#operations.check();
    const subject = infoSubject(checkedPlace(options), checkedKey(key));
    await this.#tracked(this.#delete(subject));
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#operations.close();
    await Promise.all(this.#writes);
    await this.#loose.close();
    await this.#nats.close();
  }

  async #write(key: string, writing: Writing, description: Description): Promise<BlobInfo> {
    const written = await writeContent(writing);
    try {
      checkHash(key, description, written.sha256);
      writing.operation.signal.throwIfAborted();
    } catch (error) {
      await discardContent(writing, written.note);
      throw error;
    }
    try {
      const info = await this.#put(key, writing, { written, description });
      if (written.note) this.#tracked(this.#loose.forget(written.note)).catch(() => undefined);
      return info;
    } catch (error) {
      // Nobody knows what became of a message that was not answered: what may be in place is left to the note.
      if (MicroError.from(error).code !== 'unavailable') await discardContent(writing, written.note);
      throw error;
    }
  }

  /** Puts a blob in its place; whoever else does at the same time comes before or after it. */
  async #put(
    key: string,
    { subject }: Writing,
    { written, description }: { readonly written: Written; readonly description: Description },
  ): Promise<BlobInfo> {
    const { size, sha256, content, inline, note } = written;
    const { contentType, metadata } = description;
    const id = content?.id ?? randomUUID();
    for (;;) {
      const last = await this.#streams.last(infoStream, subject);
      const before = last && recordOf(last.data, subject);
      // It was not answered, and is there.
      if (last && before?.id === id) return this.#confirmed(before.info, { note, sequence: last.sequence });
      if (before?.content) await this.#loose.note(before.content.id, subject);
      if (note) await this.#loose.check(note);
      const modifiedAt = Math.max(Date.now(), before?.info.modifiedAt ?? 0);
      const info: BlobInfo = { key, size, sha256, modifiedAt, contentType, metadata };
      const after = last?.sequence ?? 0;
      const message = encodeRecord({ id, info, content, inline });
      const sequence = await this.#streams
        .publish(subject, message, { id: `${id}.${after}`, after })
        .catch((error: unknown) => {
          if (!isAborted(error)) throw error;
        });
      if (sequence !== undefined) return this.#confirmed(info, { note, sequence });
    }
  }

  /** Takes a blob back whose content went before it was in its place, or is about to: nobody was told of it yet. */
  async #confirmed(
    info: BlobInfo,
    { note, sequence }: { readonly note: OwnNote | undefined; readonly sequence: number },
  ): Promise<BlobInfo> {
    try {
      if (note) await this.#loose.check(note);
      return info;
    } catch (error) {
      await this.#streams.remove(infoStream, sequence).catch(() => undefined);
      throw error;
    }
  }

  async #delete(subject: string): Promise<void> {
    const last = await this.#streams.last(infoStream, subject);
    if (!last) return;
    const content = recordOf(last.data, subject)?.content?.id;
    // A store that is full has no room for a note: then the content goes at once, under the hands of those who read it.
    const isNoted =
      !content ||
      (await this.#loose.note(content, subject).then(
        () => true,
        (error: unknown) => {
          if (MicroError.from(error).code !== 'resource_exhausted') throw error;
          return false;
        },
      ));
    await this.#streams.remove(infoStream, last.sequence);
    if (content && !isNoted) await this.#streams.removeContent(content);
  }

  async #record(key: string, place: Place): Promise<BlobRecord> {
    const subject = infoSubject(place, key);
    const last = await this.#streams.last(infoStream, subject);
    if (!last) throw notFound(key, place);
    return decodeRecord(last.data, subject);
  }

  /** Of those that are there by then. */
  async #infos(keys: readonly string[], place: Place): Promise<readonly BlobInfo[]> {
    const infos: BlobInfo[] = [];
    for (let at = 0; at < keys.length; at += listedAtOnce) {
      const some = keys.slice(at, at + listedAtOnce).map(async (key) => {
        const subject = infoSubject(place, key);
        const last = await this.#streams.last(infoStream, subject);
        return last ? [decodeRecord(last.data, subject).info] : [];
      });
      infos.push(...(await Promise.all(some)).flat());
    }
    return infos;
  }

  /** The bytes from `offset` to `end`. Of a whole blob the last piece is only given when all of them are right. */
  async *#content(
    { info, content, inline }: BlobRecord,
    reading: {
      readonly subject: string;
      readonly offset: number;
      readonly end: number;
      readonly operation: Operation;
      readonly release: () => void;
    },
  ): AsyncGenerator<Uint8Array> {
    const { subject, offset, end, operation, release } = reading;
    const { signal } = operation;
    const hash = offset === 0 && end === info.size ? createHash('sha256') : undefined;
    const source = content
      ? readContent(this.#streams, { content, size: info.size }, { offset, end, signal })
      : [new Uint8Array(inline.subarray(offset, end))];
    try {
      signal.throwIfAborted();
      let at = offset;
      for await (const piece of source) {
        signal.throwIfAborted();
        hash?.update(piece);
        at += piece.length;
        if (at === end && hash && hash.digest('hex') !== info.sha256)
          throw new MicroError('data_loss', 'its content is not what was written', { id: 'store' });
        if (piece.length > 0) yield piece;
      }
    } catch (error) {
      throw await this.#damage(error, info.key, { subject, id: content?.id });
    } finally {
      release();
    }
  }

  /** Content that is missing is damaged, or was replaced long ago. */
  async #damage(
    error: unknown,
    key: string,
    { subject, id }: { readonly subject: string; readonly id: string | undefined },
  ): Promise<unknown> {
    if (!(error instanceof MicroError && error.code === 'data_loss')) return error;
    const last = await this.#streams.last(infoStream, subject);
    const isThere = last && recordOf(last.data, subject)?.content?.id === id;
    const options = { id: 'store', cause: error };
    if (isThere)
      return new MicroError(
        'data_loss',
        `the blob ${quote(key)} is damaged: ${error.detail}. Write it again, or delete it`,
        options,
      );
    const detail = `the blob ${quote(key)} was replaced or deleted while this process stood still: read it again`;
    return new MicroError('unavailable', detail, options);
  }

  #tracked<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#writes.add(settled);
    void settled.then(() => this.#writes.delete(settled));
    return work;
  }
}
