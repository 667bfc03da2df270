import { MicroError } from '@micro/errors';
import { blobProto } from '@micro/proto';
import type { Client, ClientOf } from '@micro/rpc';
import { explained } from '../remote-errors.js';
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
import { type Content, type Operation, Operations, pieces, readOnce } from './flow.js';
import { fromMessage } from './messages.js';
import { canceled, checkedDescription, checkedKey, checkedListing, checkedPlace, checkedRange } from './validation.js';

/** Of a piece on the wire. */
const pieceBytes = 256 * 1024;

/** The blobs of apps/store, over RPC: what user services get. The client belongs to whoever gives it, and stays open. */
export class RemoteBlobs extends Blobs {
  readonly #calls: ClientOf<typeof blobProto.Blobs>;
  readonly #operations = new Operations();

  constructor(client: Client) {
    super();
    this.#calls = client.of(blobProto.Blobs);
  }

  override async write(key: string, content: Content, options: WriteBlobOptions = {}): Promise<BlobInfo> {
    this.#operations.check();
    const { database, table } = checkedPlace(options);
    const { contentType, metadata, sha256 } = checkedDescription(options);
    const first = { key: checkedKey(key), table, contentType, metadata, sha256: sha256 ?? '' };
    const operation = this.#operations.begin(options.signal);
    let failure: { readonly error: unknown } | undefined;
    async function* requests() {
      yield first;
      try {
        for await (const piece of pieces(content, pieceBytes, operation.signal)) yield { content: piece };
      } catch (error) {
        failure = { error };
        throw error;
      }
      yield { complete: true };
    }
    try {
      const call = { namespace: database, signal: operation.signal, timeout: Infinity };
      const { blob } = await this.#calls.write(requests(), call);
      return infoOf(blob);
    } catch (error) {
      if (failure) throw failure.error;
      throw reasonOf(operation, error);
    } finally {
      operation.end();
    }
  }

  override async read(key: string, options: ReadBlobOptions = {}): Promise<BlobReading> {
    this.#operations.check();
    const { database, table } = checkedPlace(options);
    const { offset, length = 0 } = checkedRange(options);
    const request = { key: checkedKey(key), table, offset: BigInt(offset), length: BigInt(length) };
    const operation = this.#operations.begin(options.signal);
    const call = { namespace: database, signal: operation.signal, timeout: Infinity };
    const messages = this.#calls.read(request, call)[Symbol.asyncIterator]();
    const release = () => {
      operation.end();
      void messages.return?.().catch(() => undefined);
    };
    try {
      const first = await messages.next();
      const info = infoOf(first.done ? undefined : first.value.blob);
      const expected = Math.min(info.size - offset, length || Infinity);
      return { info, content: readOnce(() => contentOf(messages, operation, expected), release) };
    } catch (error) {
      release();
      throw reasonOf(operation, error);
    }
  }

  override async info(key: string, options?: BlobOptions): Promise<BlobInfo> {
    this.#operations.check();
    const { database, table } = checkedPlace(options);
    const { blob } = await this.#told(this.#calls.info({ key: checkedKey(key), table }, { namespace: database }));
    return infoOf(blob);
  }

  override async list(options: ListBlobsOptions = {}): Promise<BlobPage> {
    this.#operations.check();
    const { database, table } = checkedPlace(options);
    const { prefix, limit } = checkedListing(options);
    const request = { table, prefix, limit, cursor: options.cursor ?? '' };
    const { blobs, cursor } = await this.#told(this.#calls.list(request, { namespace: database }));
    return { blobs: blobs.map(fromMessage), cursor: cursor || undefined };
  }

  override async delete(key: string, options?: BlobOptions): Promise<void> {
    this.#operations.check();
    const { database, table } = checkedPlace(options);
    await this.#told(this.#calls.delete({ key: checkedKey(key), table }, { namespace: database }));
  }

  override async close(): Promise<void> {
    this.#operations.close();
  }

  async #told<T>(call: Promise<T>): Promise<T> {
    return call.catch((error: unknown) => {
      throw explained(error);
    });
  }
}

/** No generator: one that waits for the next message could not be left. */
function contentOf(
  messages: AsyncIterator<blobProto.ReadBlobResponse>,
  operation: Operation,
  expected: number,
): AsyncIterator<Uint8Array> {
  let received = 0;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      for (;;) {
        const message = await messages.next();
        if (message.done) break;
        const { content } = message.value;
        received += content.length;
        if (content.length > 0) return { value: content, done: false };
      }
    } catch (error) {
      operation.end();
      throw reasonOf(operation, error);
    }
    operation.end();
    if (received === expected) return { value: undefined, done: true };
    throw new MicroError('data_loss', `the store sent ${received} bytes instead of ${expected}: read the blob again`, {
      id: 'store',
    });
  };
  const leave = async () => {
    await messages.return?.();
    return { value: undefined, done: true } as const;
  };
  return { next, return: leave };
}

function infoOf(blob: blobProto.BlobInfo | undefined): BlobInfo {
  if (blob) return fromMessage(blob);
  throw new MicroError('internal', 'the store answered without saying what the blob is', { id: 'store' });
}

/** Why it ended: what gave it up, if something here did. */
function reasonOf({ signal }: Operation, error: unknown): Error {
  if (!signal.aborted) return explained(error);
  return signal.reason instanceof MicroError ? signal.reason : canceled();
}
