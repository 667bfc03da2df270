import { MicroError } from '@micro/errors';
import { outsideCalls } from '@micro/rpc';
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

/** Blobs that are opened when they are first used. What could not be opened is tried again with the next call. */
export class LaterBlobs extends Blobs {
  readonly #open: () => Promise<Blobs>;
  #opening: Promise<Blobs> | undefined;
  #closed = false;

  constructor(open: () => Promise<Blobs>) {
    super();
    this.#open = open;
  }

  override async write(
    key: string,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: WriteBlobOptions,
  ): Promise<BlobInfo> {
    return (await this.#blobs()).write(key, content, options);
  }

  override async read(key: string, options?: ReadBlobOptions): Promise<BlobReading> {
    return (await this.#blobs()).read(key, options);
  }

  override async info(key: string, options?: BlobOptions): Promise<BlobInfo> {
    return (await this.#blobs()).info(key, options);
  }

  override async list(options?: ListBlobsOptions): Promise<BlobPage> {
    return (await this.#blobs()).list(options);
  }

  override async delete(key: string, options?: BlobOptions): Promise<void> {
    await (await this.#blobs()).delete(key, options);
  }

  /** Closes what was opened. */
  override async close(): Promise<void> {
    this.#closed = true;
    const blobs = await this.#opening?.catch(() => undefined);
    await blobs?.close();
  }

  #blobs(): Promise<Blobs> {
    if (this.#closed)
      return Promise.reject(new MicroError('unavailable', 'these blobs are closed: open others', { id: 'store' }));
    if (!this.#opening) {
      // It outlives the call that it is first used in.
      const opening = outsideCalls(this.#open);
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
    }
    return this.#opening;
  }
}
