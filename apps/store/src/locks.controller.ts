import type { lockProto } from '@micro/proto';
import type { CallContext, Metadata } from '@micro/rpc';
import { Locks, LocksHandlers } from '@micro/store';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';

@Controller()
export class LocksController {
  readonly #handlers: LocksHandlers;

  constructor(locks: Locks) {
    this.#handlers = new LocksHandlers(locks);
  }

  @GrpcMethod('Locks', 'Acquire')
  acquire(request: lockProto.AcquireLockRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.acquire(request, context);
  }

  @GrpcMethod('Locks', 'Renew')
  renew(request: lockProto.RenewLockRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.renew(request, context);
  }

  @GrpcMethod('Locks', 'Release')
  release(request: lockProto.ReleaseLockRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.release(request, context);
  }

  /** Called when the process is about to stop. */
  stop(): void {
    this.#handlers.stop();
  }
}
