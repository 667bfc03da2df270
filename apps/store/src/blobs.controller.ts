import type { blobProto } from '@micro/proto';
import type { CallContext, Metadata } from '@micro/rpc';
import { Blobs, BlobsHandlers } from '@micro/store';
import { Controller } from '@nestjs/common';
import { GrpcMethod, GrpcStreamMethod } from '@nestjs/microservices';

@Controller()
export class BlobsController {
  readonly #handlers: BlobsHandlers;

  constructor(blobs: Blobs) {
    this.#handlers = new BlobsHandlers(blobs);
  }

  @GrpcStreamMethod('Blobs', 'Write')
  write(requests: AsyncIterable<blobProto.WriteBlobRequest>, _metadata: Metadata, context: CallContext) {
    return this.#handlers.write(requests, context);
  }

  @GrpcMethod('Blobs', 'Read')
  read(request: blobProto.ReadBlobRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.read(request, context);
  }

  @GrpcMethod('Blobs', 'Info')
  info(request: blobProto.BlobInfoRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.info(request, context);
  }

  @GrpcMethod('Blobs', 'List')
  list(request: blobProto.ListBlobsRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.list(request, context);
  }

  @GrpcMethod('Blobs', 'Delete')
  delete(request: blobProto.DeleteBlobRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.delete(request, context);
  }
}
