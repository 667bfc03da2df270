import {
  type BlobOptions,
  Blobs,
  type ListBlobsOptions,
  MemoryBlobs,
  type ReadBlobOptions,
  type WriteBlobOptions,
} from '@micro/service/adapter';

export class OwnBlobs extends Blobs {
  protected readonly kept = new MemoryBlobs();

  override write(key: string, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: WriteBlobOptions) {
    return this.kept.write(key, content, options);
  }
  override read(key: string, options?: ReadBlobOptions) {
    return this.kept.read(key, options);
  }
  override info(key: string, options?: BlobOptions) {
    return this.kept.info(key, options);
  }
  override list(options?: ListBlobsOptions) {
    return this.kept.list(options);
  }
  override delete(key: string, options?: BlobOptions) {
    return this.kept.delete(key, options);
  }
  override close() {
    return this.kept.close();
  }
}
