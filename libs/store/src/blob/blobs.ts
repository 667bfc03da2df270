/** What is known of a blob. */
export interface BlobInfo {
  readonly key: string;
  /** In bytes. */
  readonly size: number;
  /** SHA-256 of its content, in lower-case hexadecimal. */
  readonly sha256: string;
  /** When its content was complete, in milliseconds since 1970 by the store's clock. */
  readonly modifiedAt: number;
  /** As it was given; `application/octet-stream` where it was not. */
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Whose blobs: a database is a tenant's, a table a service's, as with records. */
export interface BlobOptions {
  /** Default `micro`. */
  readonly database?: string;
  /** Default `micro`. */
  readonly table?: string;
}

export interface WriteBlobOptions extends BlobOptions {
  /** 1 to 255 bytes. Default `application/octet-stream`. */
  readonly contentType?: string;
  /** Names and values together at most 16 KiB of UTF-8. Default: none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the content must hash to: else nothing is written, and MicroError `data_loss` says so. Default: whatever comes. */
  readonly sha256?: string;
  /** Gives the writing up, with MicroError `canceled`; nothing is written. */
  readonly signal?: AbortSignal;
}

export interface ReadBlobOptions extends BlobOptions {
  /** First byte, from 0. Default 0. The blob's size gives nothing; more than that is MicroError `out_of_range`. */
  readonly offset?: number;
  /** At most so many bytes, at least 1. Default: to the end. */
  readonly length?: number;
  readonly signal?: AbortSignal;
}

export interface ListBlobsOptions extends BlobOptions {
  /** Only keys that begin so. Default: all. */
  readonly prefix?: string;
  /** At most so many, 1 to 10,000. Default 1,000. */
  readonly limit?: number;
  /** Goes on behind the page that gave it. */
  readonly cursor?: string;
}

export interface BlobPage {
  /** By key, ascending by the bytes of its UTF-8. */
  readonly blobs: readonly BlobInfo[];
  /** Where the next page begins; undefined: there is nothing behind this one. */
  readonly cursor: string | undefined;
}

/** A blob that is being read: what it is, at once, and its content as it comes. */
export interface BlobReading {
  readonly info: BlobInfo;
  /**
   * In pieces of at most 1 MiB, to be iterated over once, or not at all. Reading the whole blob checks it: content that does not hash to `sha256`
   * ends with MicroError `data_loss`.
   */
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Content of any size under keys: the contract, and its token in Nest. A key is any text of 1 to 1,024 bytes of UTF-8, `..` and NUL included.
 * A write replaces what was there when its content is complete, and not before: a reader gets the old content or the new, whole, also when
 * a write breaks off or its process dies, and one that has begun to read goes on with what it began. MicroError `invalid_argument` for a key,
 * name or option that is not legal, `unavailable` when the store cannot be reached or is closed, `resource_exhausted` when it is full.
 */
export abstract class Blobs {
  /** Writes what `content` yields, in pieces of any size, as fast as the store takes it. Nothing is written if `content` throws. */
  abstract write(
    key: string,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: WriteBlobOptions,
  ): Promise<BlobInfo>;

  /** MicroError `not_found` if there is no such blob. */
  abstract read(key: string, options?: ReadBlobOptions): Promise<BlobReading>;

  /** What is known of a blob, without its content. MicroError `not_found`. */
  abstract info(key: string, options?: BlobOptions): Promise<BlobInfo>;

  abstract list(options?: ListBlobsOptions): Promise<BlobPage>;

  /** A blob that is not there is no error. */
  abstract delete(key: string, options?: BlobOptions): Promise<void>;

  /** Later calls fail with `unavailable`. A second call does nothing. */
  abstract close(): Promise<void>;
}
