import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MicroError } from '@micro/errors';
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
import { Drafts } from './directory-drafts.js';
import { damaged, footerOf, readInfo } from './directory-file.js';
import { makeFolder, syncFolder } from './directory-folder.js';
import { filesOfPage, type Listed } from './directory-list.js';
import { bytesOf, fileOf, nameOf } from './directory-names.js';
import { type Content, largestPiece, type Operation, Operations, pieces, readOnce } from './flow.js';
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
} from './validation.js';

/** Of what is written and read at a time. */
const pieceBytes = 256 * 1024;
/** Files that are open at a time to list what is in them. */
const listedAtOnce = 16;

/** Makes the folder where it is not there yet. */
export async function openDirectory(folder: string): Promise<DirectoryBlobs> {
  const drafts = new Drafts(folder);
  try {
    await makeFolder(folder);
    // Whether it can be written is better known now than with the first write.
    await drafts.next();
  } catch (error) {
    throw translated(error, folder);
  }
  return new DirectoryBlobs(folder, drafts);
}

/**
 * Blobs as files, `<folder>/@<database>/@<table>/@<key>.blob`, of any number of processes. A file is written beside them and moved into its
 * place when all of it is on the disk: who has the one before it open goes on reading that.
 */
export class DirectoryBlobs extends Blobs {
  readonly #folder: string;
  readonly #drafts: Drafts;
  readonly #operations = new Operations();
  readonly #writes = new Set<Promise<unknown>>();

  constructor(folder: string, drafts: Drafts) {
    super();
    this.#folder = folder;
    this.#drafts = drafts;
  }

  override async write(key: string, content: Content, options: WriteBlobOptions = {}): Promise<BlobInfo> {
    this.#operations.check();
    const file = join(this.#folderOf(checkedPlace(options)), fileOf(checkedKey(key)));
    const description = checkedDescription(options);
    const operation = this.#operations.begin(options.signal);
    const writing = this.#write(file, { key, content, description, operation }).finally(operation.end);
    const settled = writing.catch(() => undefined).finally(() => this.#writes.delete(settled));
    this.#writes.add(settled);
    return writing;
  }

  override async read(key: string, options: ReadBlobOptions = {}): Promise<BlobReading> {
    const place = checkedPlace(options);
    const range = checkedRange(options);
    const operation = this.#operations.begin(options.signal);
    try {
      const { handle, file } = await this.#open(checkedKey(key), place);
      const release = () => {
        operation.end();
        handle.close().catch(() => undefined);
      };
      try {
        const info = await readInfo(handle, file, key);
        const reading = { file, handle, info, offset: range.offset, end: endOf(range, key, info.size), operation };
        if (reading.end - range.offset > pieceBytes)
          return { info, content: readOnce(() => contentOf(reading), release) };
        // Little: it is read at once, and keeps no file open while its reader takes its time.
        const all = await gathered(contentOf(reading));
        const begin = () => given(all, () => this.#operations.begin(options.signal).end());
        return { info, content: readOnce(begin, () => undefined) };
      } catch (error) {
        release();
        throw translated(error, file);
      }
    } catch (error) {
      operation.end();
      throw error;
    }
  }

  override async info(key: string, options?: BlobOptions): Promise<BlobInfo> {
    this.#operations.check();
    const { handle, file } = await this.#open(checkedKey(key), checkedPlace(options));
    return onDisk(file, () => closing(handle, () => readInfo(handle, file, key)));
  }

  override async list(options: ListBlobsOptions = {}): Promise<BlobPage> {
    this.#operations.check();
    const folder = this.#folderOf(checkedPlace(options));
    const listing = checkedListing(options);
    const keyOf = async (file: string) => {
      const info = await infoOf(join(folder, file));
      return info && bytesOf(info.key);
    };
    try {
      const found = await filesOfPage(folder, listing, keyOf);
      const page = found.slice(0, listing.limit);
      const last = found.length > page.length ? page.at(-1) : undefined;
      return {
        blobs: await infosOf(folder, page),
        cursor: last && cursorOf(Buffer.from(last.bytes, 'latin1').toString()),
      };
    } catch (error) {
      throw translated(error, folder);
    }
  }

  override async delete(key: string, options?: BlobOptions): Promise<void> {
    this.#operations.check();
    const folder = this.#folderOf(checkedPlace(options));
    const file = join(folder, fileOf(checkedKey(key)));
    try {
      await rm(file);
      await syncFolder(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw translated(error, file);
    }
  }

  override async close(): Promise<void> {
    this.#operations.close();
    await Promise.all(this.#writes);
  }

  #folderOf({ database, table }: Place): string {
    return join(this.#folder, nameOf(database), nameOf(table));
  }

  async #open(key: string, place: Place): Promise<{ readonly handle: FileHandle; readonly file: string }> {
    const file = join(this.#folderOf(place), fileOf(key));
    try {
      return { handle: await open(file, 'r'), file };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notFound(key, place);
      throw translated(error, file);
    }
  }

  async #write(
    file: string,
    {
      key,
      content,
      description,
      operation,
    }: { key: string; content: Content; description: Description; operation: Operation },
  ): Promise<BlobInfo> {
    const draft = await onDisk(file, () => this.#drafts.next());
    const handle = await onDisk(draft, () => open(draft, 'wx', 0o600));
    try {
      const info = await closing(handle, async () => {
        const hash = createHash('sha256');
        let size = 0;
        for await (const piece of pieces(content, pieceBytes, operation.signal)) {
          hash.update(piece);
          await onDisk(draft, () => writeAll(handle, piece));
          size += piece.length;
        }
        const sha256 = hash.digest('hex');
        checkHash(key, description, sha256);
        const { contentType, metadata } = description;
        const written: BlobInfo = { key, size, sha256, modifiedAt: Date.now(), contentType, metadata };
        await onDisk(draft, async () => {
          await writeAll(handle, footerOf(written));
          await handle.sync();
        });
        return written;
      });
      operation.signal.throwIfAborted();
      await onDisk(file, () => putInPlace(draft, file));
      return info;
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw error;
    }
  }
}

/** The bytes from `offset` to `end`. Of a whole blob the last piece is only given when all of them are right. */
async function* contentOf(reading: {
  readonly file: string;
  readonly handle: FileHandle;
  readonly info: BlobInfo;
  readonly offset: number;
  readonly end: number;
  readonly operation: Operation;
}): AsyncGenerator<Uint8Array> {
  const { file, handle, info, offset, end, operation } = reading;
  const hash = offset === 0 && end === info.size ? createHash('sha256') : undefined;
  try {
    for (let at = offset; at < end;) {
      operation.signal.throwIfAborted();
      const piece = new Uint8Array(Math.min(pieceBytes, largestPiece, end - at));
      const { bytesRead } = await onDisk(file, () => handle.read(piece, 0, piece.length, at));
      if (bytesRead === 0) throw damaged(file, 'it has become shorter');
      const bytes = piece.subarray(0, bytesRead);
      hash?.update(bytes);
      at += bytesRead;
      if (at === end) checkContent(hash, info, file);
      yield bytes;
    }
    if (info.size === 0) checkContent(hash, info, file);
  } finally {
    operation.end();
    await handle.close();
  }
}

function checkContent(hash: ReturnType<typeof createHash> | undefined, { sha256 }: BlobInfo, file: string): void {
  if (hash && hash.digest('hex') !== sha256) throw damaged(file, 'its content has changed since it was written');
}

/** What there was to be read, and why there was no more. */
interface Gathered {
  readonly all: readonly Uint8Array[];
  readonly failure?: { readonly error: unknown };
}

async function gathered(content: AsyncIterable<Uint8Array>): Promise<Gathered> {
  const all: Uint8Array[] = [];
  try {
    for await (const piece of content) all.push(piece);
    return { all };
  } catch (error) {
    return { all, failure: { error } };
  }
}

async function* given({ all, failure }: Gathered, check: () => void): AsyncGenerator<Uint8Array> {
  check();
  yield* all;
  if (failure) throw failure.error;
}

/** Of files that have gone meanwhile nothing is said. */
async function infosOf(folder: string, page: readonly Listed[]): Promise<readonly BlobInfo[]> {
  const infos: BlobInfo[] = [];
  for (let at = 0; at < page.length; at += listedAtOnce) {
    const some = page.slice(at, at + listedAtOnce).map(({ file }) => infoOf(join(folder, file)));
    infos.push(...(await Promise.all(some)).flatMap((info) => info ?? []));
  }
  return infos;
}

async function infoOf(file: string): Promise<BlobInfo | undefined> {
  try {
    const handle = await open(file, 'r');
    return await closing(handle, () => readInfo(handle, file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function closing<T>(handle: FileHandle, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}

async function putInPlace(draft: string, file: string): Promise<void> {
  await makeFolder(dirname(file));
  await rename(draft, file);
  await syncFolder(dirname(file));
}

async function onDisk<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translated(error, file);
  }
}

function isSystem(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

/** What the file system says, as what it means. */
function translated(error: unknown, file: string): unknown {
  if (!isSystem(error)) return error;
  const options = { id: 'store', cause: error };
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new MicroError(
        'resource_exhausted',
        `the disk of ${file} is full: free some space and try again`,
        options,
      );
    case 'EMFILE':
    case 'ENFILE':
      return new MicroError(
        'resource_exhausted',
        'too many files are open: read fewer blobs at a time, or raise the limit (ulimit -n)',
        options,
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new MicroError(
        'permission_denied',
        `${file} cannot be read or written: give this user the right to, or choose another folder`,
        options,
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return new MicroError(
        'failed_precondition',
        `${file} cannot be a folder, there is a file in its place: move it, or choose another folder`,
        options,
      );
    case 'EIO':
      return new MicroError('data_loss', `the disk of ${file} fails: see the log of the system`, options);
    default:
      return MicroError.from(error, 'store');
  }
}
