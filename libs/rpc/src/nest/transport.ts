import type { INestMicroservice } from '@nestjs/common';
import {
  type CustomTransportStrategy,
  type MessageHandler,
  Server,
  ServerGrpc,
  Transport,
} from '@nestjs/microservices';
import { isObservable } from 'rxjs';
import { MicroError } from '@micro/errors';
import type { MethodDefinition, ServiceDefinition } from '@micro/proto';
import type { CallContext, Handlers } from '../handler.js';
import { type CloseOptions, RpcServer, type RpcServerOptions } from '../server/server.js';
import { fromNest, RpcErrorFilter } from './nest-error.js';
import { interceptIterables } from './iterables.js';
import { matchPatterns } from './patterns.js';
import { lastOf, requestObservable, responses } from './streams.js';

export interface RpcTransportOptions extends RpcServerOptions {
  /** What the controllers implement. A method without a handler answers `unimplemented`. */
  readonly services: readonly ServiceDefinition[];
}

/**
 * Nest's controllers on an RpcServer: `@GrpcMethod` and `@GrpcStreamMethod` with guards, pipes, interceptors and filters, served over gRPC and
 * Connect alike.
 *
 * ```ts
 * const transport = new RpcTransport({ name: 'helloworld', services: [Helloworld] });
 * const app = await NestFactory.createMicroservice(AppModule, { strategy: transport });
 * transport.prepare(app);
 * await app.listen();
 * ```
 *
 * A handler is called with the message (or, for a stream of requests, an Observable of them that is also AsyncIterable), the call's Metadata
 * and its CallContext. It returns the message, a Promise or an Observable; for a stream of responses an Observable or an AsyncIterable.
 */
export class RpcTransport extends Server implements CustomTransportStrategy {
  override readonly transportId = Transport.GRPC;
  readonly server: RpcServer;
  readonly #services: readonly ServiceDefinition[];
  #bound: { readonly host: string; readonly port: number } | undefined;

  constructor(options: RpcTransportOptions) {
    super();
    this.#services = options.services;
    this.server = new RpcServer(options);
  }

  /** Where it listens. MicroError `failed_precondition` before it does. */
  get address(): { readonly host: string; readonly port: number } {
    if (!this.#bound) throw new MicroError('failed_precondition', 'the transport does not listen yet');
    return this.#bound;
  }

  /**
   * To be called before the app listens, and before it gets filters of its own, which then come first: errors keep their codes (RpcErrorFilter),
   * and those thrown within an AsyncIterable reach filters and interceptors, which Nest by itself does not see to.
   */
  prepare(app: INestMicroservice): void {
    app.useGlobalFilters(new RpcErrorFilter());
    interceptIterables(app, this.#services);
  }

  /** Whether health checks are answered with yes. */
  setServing(serving: boolean): void {
    this.server.setServing(serving);
  }

  /** Called by Nest with every handler's pattern. */
  override addHandler(pattern: unknown, handler: MessageHandler, isEventHandler = false): void {
    const text = typeof pattern === 'string' ? pattern : JSON.stringify(pattern);
    if (isEventHandler)
      throw new MicroError('failed_precondition', `@EventPattern(${text}): events do not come by RPC; use @GrpcMethod`);
    if (this.messageHandlers.has(text))
      throw new MicroError('failed_precondition', `two handlers have the pattern ${text}: remove one`);
    this.messageHandlers.set(text, handler);
  }

  /** Called by Nest when the app listens; `callback` gets the error if it cannot. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      const handlers = matchPatterns(this.messageHandlers, this.#services);
      for (const service of this.#services) {
        const table = service.methods.map((method) => [method.localName, handlerOf(method, handlers.get(method))]);
        this.server.add(service, Object.fromEntries(table) as Handlers<ServiceDefinition>);
      }
      this.#bound = await this.server.listen();
    } catch (error) {
      return callback(error);
    }
    callback();
  }

  /** As RpcServer.close(); Nest calls it without options. */
  close(options?: CloseOptions): Promise<void> {
    return this.server.close(options);
  }

  on(): never {
    throw new MicroError('unimplemented', 'this transport has no events: see RpcServer');
  }

  unwrap<T>(): T {
    return this.server as T;
  }
}

// Nest passes (data, metadata, call) to undecorated parameters only if the transport is an instance of its own for gRPC, whose constructor
// would load what we do without.
Object.setPrototypeOf(RpcTransport.prototype, ServerGrpc.prototype);

type NestHandler = (data: unknown, metadata: unknown, call: CallContext) => Promise<unknown>;

function handlerOf(
  method: MethodDefinition,
  handler: MessageHandler | undefined,
): ((request: never, context: CallContext) => unknown) | undefined {
  if (!handler) return undefined;
  const call = handler as unknown as NestHandler;
  const { kind } = method;
  const input =
    kind === 'clientStream' || kind === 'bidiStream'
      ? (requests: AsyncIterable<unknown>) => requestObservable(requests)
      : (request: unknown) => request;
  if (kind === 'serverStream' || kind === 'bidiStream') {
    return async function* (request: never, context: CallContext) {
      try {
        yield* responses(await call(input(request), context.metadata, context), context.signal);
      } catch (error) {
        throw fromNest(error);
      }
    };
  }
  return async (request: never, context: CallContext) => {
    try {
      const result = await call(input(request), context.metadata, context);
      return (isObservable(result) ? await lastOf(result, context.signal, kind === 'unary') : result) ?? {};
    } catch (error) {
      throw fromNest(error);
    }
  };
}
