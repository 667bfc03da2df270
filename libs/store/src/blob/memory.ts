import { createHash } from 'node:crypto';
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
import { type Content, largestPiece, type Operation, Operations, pieces, readOnce } from './flow.js';
import {
  checkedDescription,
  checkedKey,
  checkedListing,
  checkedPlace,
  checkedRange,
  checkHash,
  cursorOf,
  endOf,
  notFound,
  type Place,
} from './validation.js';

interface Kept {
  readonly info: BlobInfo;
  readonly parts: readonly Buffer[];
}

/** Blobs of this process, for tests. */
export class MemoryBlobs extends Blobs {
  /** By database and table, then key. */
  readonly #tables = new Map<string, Map<string, Kept>>();
  readonly #operations = new Operations();

  override async write(key: string, content: Content, options: WriteBlobOptions = {}): Promise<BlobInfo> {
    this.#operations.check();
    const place = checkedPlace(options);
    checkedKey(key);
    const description = checkedDescription(options);
    const operation = this.#operations.begin(options.signal);
    try {
      const hash = createHash('sha256');
      const parts: Buffer[] = [];
      let size = 0;
      for await (const piece of pieces(content, largestPiece, operation.signal)) {
        hash.update(piece);
        size += piece.length;
        parts.push(Buffer.from(piece));
      }
      operation.signal.throwIfAborted();
      const sha256 = hash.digest('hex');
      checkHash(key, description, sha256);
      const { contentType, metadata } = description;
      const info = { key, size, sha256, modifiedAt: Date.now(), contentType, metadata };
      this.#table(place).set(key, { info, parts });
      return copied(info);
    } finally {
      operation.end();
    }
  }

  override async read(key: string, options: ReadBlobOptions = {}): Promise<BlobReading> {
    const kept = this.#kept(key, checkedPlace(options));
    const range = checkedRange(options);
    const end = endOf(range, key, kept.info.size);
    const operation = this.#operations.begin(options.signal);
    const begin = () => slices(kept.parts, { offset: range.offset, end, operation });
    return { info: copied(kept.info), content: readOnce(begin, operation.end) };
  }

  override async info(key: string, options?: BlobOptions): Promise<BlobInfo> {
    return copied(this.#kept(key, checkedPlace(options)).info);
  }

  override async list(options: ListBlobsOptions = {}): Promise<BlobPage> {
    this.#operations.check();
    const table = this.#tables.get(textOf(checkedPlace(options)));
    const { prefix, limit, after } = checkedListing(options);
    const found = [...(table?.keys() ?? [])].filter((key) => key.startsWith(prefix)).map((key) => Buffer.from(key));
    const from = after === undefined ? undefined : Buffer.from(after);
    const behind = from ? found.filter((key) => key.compare(from) > 0) : found;
    const keys = behind
      .sort((one, other) => one.compare(other))
      .slice(0, limit)
      .map(String);
    const blobs = keys.flatMap((key) => table?.get(key) ?? []).map(({ info }) => copied(info));
    const last = behind.length > limit ? keys.at(-1) : undefined;
    return { blobs, cursor: last === undefined ? undefined : cursorOf(last) };
  }

  override async delete(key: string, options?: BlobOptions): Promise<void> {
    this.#operations.check();
    const place = checkedPlace(options);
    checkedKey(key);
    this.#tables.get(textOf(place))?.delete(key);
  }

  override async close(): Promise<void> {
    this.#operations.close();
    this.#tables.clear();
  }

  #kept(key: string, place: Place): Kept {
    this.#operations.check();
    checkedKey(key);
    const kept = this.#tables.get(textOf(place))?.get(key);
    if (!kept) throw notFound(key, place);
    return kept;
  }

  #table(place: Place): Map<string, Kept> {
    const text = textOf(place);
    const table = this.#tables.get(text) ?? new Map<string, Kept>();
    this.#tables.set(text, table);
    return table;
  }
}

/** Bytes from `offset` to `end`: copies, which are the reader's. */
async function* slices(
  parts: readonly Buffer[],
  { offset, end, operation }: { readonly offset: number; readonly end: number; readonly operation: Operation },
): AsyncGenerator<Uint8Array> {
  try {
    let start = 0;
    for (const part of parts) {
      operation.signal.throwIfAborted();
      const slice = part.subarray(Math.max(0, offset - start), Math.max(0, end - start));
      start += part.length;
      if (slice.length > 0) yield new Uint8Array(slice);
    }
    operation.signal.throwIfAborted();
  } finally {
    operation.end();
  }
}

function copied(info: BlobInfo): BlobInfo {
  return { ...info, metadata: { ...info.metadata } };
}

function textOf({ database, table }: Place): string {
  return `${database}/${table}`;
}
