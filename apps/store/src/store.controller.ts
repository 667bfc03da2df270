import type { storeProto } from '@micro/proto';
import type { CallContext, Metadata } from '@micro/rpc';
import { Store, StoreHandlers } from '@micro/store';
import { Controller } from '@nestjs/common';
import { GrpcMethod, GrpcStreamMethod } from '@nestjs/microservices';

@Controller()
export class StoreController {
  readonly #handlers: StoreHandlers;

  constructor(store: Store) {
    this.#handlers = new StoreHandlers(store);
  }

  @GrpcMethod('Store', 'Read')
  read(request: storeProto.ReadRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.read(request, context);
  }

  @GrpcMethod('Store', 'Write')
  write(request: storeProto.WriteRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.write(request, context);
  }

  @GrpcMethod('Store', 'Delete')
  delete(request: storeProto.DeleteRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.delete(request, context);
  }

  @GrpcMethod('Store', 'Transact')
  transact(request: storeProto.TransactRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.transact(request, context);
  }

  @GrpcMethod('Store', 'List')
  list(request: storeProto.ListRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.list(request, context);
  }

  @GrpcMethod('Store', 'Databases')
  databases(request: storeProto.DatabasesRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.databases(request, context);
  }

  @GrpcMethod('Store', 'Tables')
  tables(request: storeProto.TablesRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.tables(request, context);
  }

  @GrpcMethod('Store', 'Watch')
  watch(request: storeProto.WatchRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.watch(request, context);
  }

  @GrpcMethod('Store', 'Snapshot')
  snapshot(request: storeProto.SnapshotRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.snapshot(request, context);
  }

  @GrpcStreamMethod('Store', 'Restore')
  restore(requests: AsyncIterable<storeProto.RestoreRequest>, _metadata: Metadata, context: CallContext) {
    return this.#handlers.restore(requests, context);
  }

  /** Called when the process is about to stop. */
  stop(): void {
    this.#handlers.stop();
  }
}
