import { MicroError } from '@micro/errors';
import type { blobProto } from '@micro/proto';
import type { CallContext } from '@micro/rpc';
import { boundedPage } from '../bounded-page.js';
import { databaseOf } from '../tenant.js';
import type { BlobInfo, BlobOptions, Blobs } from './blobs.js';
import { toMessage } from './messages.js';
import { checkedListing } from './validation.js';

/** Of a piece on the wire: some of them wait on the way. */
const pieceBytes = 256 * 1024;

/** Blobs as the service of blob.proto: each method is one call on the contract, in the database of the caller. */
export class BlobsHandlers {
  readonly #blobs: Blobs;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  async write(
    requests: AsyncIterable<blobProto.WriteBlobRequest>,
    context: CallContext,
  ): Promise<blobProto.WriteBlobResponse> {
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done) throw incomplete();
    const { key, contentType, metadata, sha256 } = first.value;
    const info = await this.#blobs.write(key, contentOf(first.value, iterator), {
      ...placeOf(first.value, context),
      contentType: contentType || undefined,
      metadata,
      sha256: sha256 || undefined,
      signal: context.signal,
    });
    return { blob: toMessage(info) };
  }

  async *read(request: blobProto.ReadBlobRequest, context: CallContext) {
    const { info, content } = await this.#blobs.read(request.key, {
      ...placeOf(request, context),
      offset: Number(request.offset),
      length: Number(request.length) || undefined,
      signal: context.signal,
    });
    yield { blob: toMessage(info) };
    for await (const piece of content) {
      for (let start = 0; start < piece.length; start += pieceBytes)
        yield { content: piece.subarray(start, start + pieceBytes) };
    }
  }

  async info(request: blobProto.BlobInfoRequest, context: CallContext): Promise<blobProto.BlobInfoResponse> {
    return { blob: toMessage(await this.#blobs.info(request.key, placeOf(request, context))) };
  }

  async list(request: blobProto.ListBlobsRequest, context: CallContext): Promise<blobProto.ListBlobsResponse> {
    const place = placeOf(request, context);
    const limit = request.limit || undefined;
    const { prefix } = request;
    const page = await boundedPage(checkedListing({ limit }).limit, bytesOf, async (most, behind) => {
      const { blobs, cursor } = await this.#blobs.list({
        ...place,
        prefix,
        limit: most,
        cursor: behind ?? (request.cursor || undefined),
      });
      return { items: blobs, cursor };
    });
    return { blobs: page.items.map(toMessage), cursor: page.cursor ?? '' };
  }

  async delete(request: blobProto.DeleteBlobRequest, context: CallContext): Promise<blobProto.DeleteBlobResponse> {
    await this.#blobs.delete(request.key, placeOf(request, context));
    return {};
  }
}

async function* contentOf(
  first: blobProto.WriteBlobRequest,
  others: AsyncIterator<blobProto.WriteBlobRequest>,
): AsyncGenerator<Uint8Array> {
  for (let message = first; ;) {
    if (message.content.length > 0) yield message.content;
    if (message.complete) return;
    const next = await others.next();
    if (next.done) throw incomplete();
    message = next.value;
  }
}

function incomplete(): MicroError {
  const detail = 'the writer ended without saying that its content is complete: nothing is written, write it again';
  return new MicroError('canceled', detail, { id: 'store' });
}

function placeOf(
  { database, table }: { readonly database: string; readonly table: string },
  { namespace }: CallContext,
): BlobOptions {
  return { database: databaseOf(database, namespace), table: table || undefined };
}

/** At least as many as its message has. */
function bytesOf({ key, contentType, metadata }: BlobInfo): number {
  let bytes = 200 + 3 * (key.length + contentType.length);
  for (const [name, value] of Object.entries(metadata)) bytes += 20 + 3 * (name.length + value.length);
  return bytes;
}
