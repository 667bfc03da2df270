import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MicroError } from '@micro/errors';
import { type EndpointRecord, endpointsOf, type MethodTypes, type ServiceDefinition } from '@micro/proto';
import { type Logger, type Metrics, silentLogger } from '@micro/telemetry';
import type { Handlers } from '../handler.js';
import { type AnyHandler, type BoundMethod, type CallLimits, CallRuntime, type Interceptor } from './call.js';
import { BuiltinServices } from './builtins.js';
import { ConnectLane, type HttpRoute } from './connect-lane.js';
import { GrpcLane } from './grpc-lane.js';
import { Http2Lane, type Http2Route } from './http2-lane.js';
import { Serving } from './health.js';
import { rejectMalformed } from './malformed.js';
import { OnePort } from './one-port.js';
import { probes } from './probes.js';

export interface RpcServerOptions {
  /** Name of the service: in errors, logs and limits' messages. */
  readonly name: string;
  readonly version?: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  readonly limits?: Partial<CallLimits>;
  /** Default: none. */
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Stands around every handler. */
  readonly intercept?: Interceptor;
  /** Plain HTTP/1.1 beside the methods; true if it took the request. */
  readonly http?: HttpRoute;
  /** Services of others that reflection and health tell of, too: those that a proxy stands before. Asked at each question. */
  readonly described?: () => readonly ServiceDefinition[];
  /** HTTP/1.1 upgrades (WebSocket); without it they are refused. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Requests over HTTP/2 for paths that are no method's. With it HTTP/2 is our own, made for passing calls on, instead of grpc-js's. */
  readonly http2?: Http2Route;
}

export const defaultLimits: CallLimits = {
  messageBytes: 4 * 1024 * 1024,
  headerBytes: 16 * 1024,
  concurrentCalls: 10_000,
  headersMs: 10_000,
  requestMs: 60_000,
};

export interface CloseOptions {
  /** Milliseconds that calls in flight are given to finish; streams get a quarter of it. Default 5,000. */
  readonly graceMs?: number;
}

/**
 * Serves methods on one port in two lanes: Connect unary over HTTP/1.1, and gRPC over HTTP/2. Beside them `/healthz`, `/readyz`, `/metrics`,
 * gRPC health and reflection.
 */
export class RpcServer {
  readonly name: string;
  readonly version: string;
  readonly #options: RpcServerOptions;
  readonly #runtime: CallRuntime;
  readonly #methods = new Map<string, BoundMethod>();
  readonly #services = new Map<string, ServiceDefinition>();
  readonly #port: OnePort;
  readonly #serving = new Serving();
  readonly #builtins: BuiltinServices;
  #grpc: Promise<GrpcLane | Http2Lane> | undefined;
  #address = '';
  #closed: Promise<void> | undefined;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.name = options.name;
    this.version = options.version ?? '';
    const limits = { ...defaultLimits, ...options.limits };
    const logger = options.logger ?? silentLogger;
    this.#runtime = new CallRuntime({
      name: options.name,
      limits,
      logger,
      metrics: options.metrics,
      intercept: options.intercept,
    });
    this.#builtins = new BuiltinServices(this.#serving, () => [
      ...this.#services.values(),
      ...(options.described?.() ?? []),
    ]);
    const routes = [
      probes({ ready: () => this.#serving.serving, metrics: options.metrics }),
      ...(options.http ? [options.http] : []),
    ];
    const connect = new ConnectLane({ runtime: this.#runtime, find: (path) => this.#find(path), routes });
    this.#port = new OnePort({
      host: options.host ?? '127.0.0.1',
      port: options.port ?? 0,
      firstByteMs: limits.headersMs,
      httpOptions: {
        maxHeaderSize: limits.headerBytes,
        headersTimeout: limits.headersMs,
        requestTimeout: limits.requestMs,
        keepAliveTimeout: keepAliveMs,
        connectionsCheckingInterval: Math.min(limits.headersMs, 5_000),
      },
      http1: (request: IncomingMessage, response: ServerResponse) => connect.handle(request, response),
      plain: (request, response) => connect.handlePlain(request, response),
      http2: (socket) => this.#acceptHttp2(socket),
    });
    this.#port.http.on('checkContinue', (request, response) => connect.handleExpecting(request, response));
    if (options.upgrade) this.#port.http.on('upgrade', options.upgrade);
    rejectMalformed(this.#port.http, { logger, limits });
  }

  /** Adds a service before or after listening. MicroError `already_exists` if there is one of that name. */
  add<M extends MethodTypes>(service: ServiceDefinition<M>, handlers: Handlers<ServiceDefinition<M>>): this {
    if (this.#services.has(service.name))
      throw new MicroError('already_exists', `service ${service.name} is already served by ${this.name}`);
    this.#services.set(service.name, service);
    const table = handlers as Readonly<Record<string, AnyHandler | undefined>>;
    const inherited = Object.prototype as unknown as typeof table;
    for (const method of service.methods) {
      const handler = table[method.localName];
      // A method called toString is implemented only by a toString of one's own.
      this.#methods.set(method.path, {
        method,
        handler: handler === inherited[method.localName] ? undefined : handler?.bind(handlers),
      });
    }
    return this;
  }

  async listen(): Promise<{ host: string; port: number }> {
    const bound = await this.#port.listen();
    this.#port.http.on('error', (error) => this.#runtime.logger.error('a connection cannot be accepted', { error }));
    this.#address = bound.host.includes(':') ? `[${bound.host}]:${bound.port}` : `${bound.host}:${bound.port}`;
    this.setServing(true);
    return bound;
  }

  /** `host:port`; empty before it listens. */
  get address(): string {
    return this.#address;
  }

  services(): readonly ServiceDefinition[] {
    return [...this.#services.values()];
  }

  /** Every method served, as the registry wants to know it. */
  endpoints(): readonly EndpointRecord[] {
    return this.services().flatMap((service) => endpointsOf(service));
  }

  /** Whether `/readyz` and gRPC health say that calls are wanted. Calls that come all the same are answered. */
  setServing(serving: boolean): void {
    this.#serving.set(serving);
  }

  /**
   * Not ready any more, no new connections, calls in flight finished. Streams that still run after a quarter of the grace, and unary calls that
   * run after all of it, are aborted with `unavailable`: their callers are told at once, whether or not the handlers heed their signals. Resolves when every connection is closed. A second call gives the promise of the first.
   */
  close(options: CloseOptions = {}): Promise<void> {
    return (this.#closed ??= this.#close(options.graceMs ?? 5_000));
  }

  #find(path: string): BoundMethod | undefined {
    return this.#methods.get(path) ?? this.#builtins.find(path);
  }

  #acceptHttp2(socket: Socket): void {
    const lane = (this.#grpc ??= this.#openGrpc());
    lane.then(
      (grpc) => !socket.destroyed && grpc.accept(socket),
      (error) => {
        this.#runtime.logger.error('gRPC cannot be served', { error });
        socket.destroy();
      },
    );
  }

  async #openGrpc(): Promise<GrpcLane | Http2Lane> {
    const options = { runtime: this.#runtime, find: (path: string) => this.#find(path) };
    return this.#options.http2 ? new Http2Lane({ ...options, route: this.#options.http2 }) : GrpcLane.open(options);
  }

  async #close(graceMs: number): Promise<void> {
    const runtime = this.#runtime;
    this.#serving.close();
    runtime.closing = true;
    const closed = this.#port.close();
    const grpc = await this.#grpc?.catch(() => undefined);
    grpc?.drain();
    const graceEnd = Date.now() + graceMs;
    // Also what `http` and `http2` took: it is no call of ours, and only its connection tells that it is over.
    const idle = setInterval(() => this.#port.http.closeIdleConnections(), idleCheckMs);
    const toStreams = setTimeout(() => runtime.stopStreams(), graceMs * streamShare);
    await runtime.drained(graceMs);
    clearTimeout(toStreams);
    runtime.stop();
    const forced = setTimeout(
      () => {
        grpc?.destroy();
        this.#port.destroy();
      },
      Math.max(flushMs, graceEnd - Date.now()),
    );
    await closed;
    clearTimeout(forced);
    clearInterval(idle);
  }
}

/** Longer than any of our clients keeps an idle connection, so that it is the client who closes and no request meets a closed one. */
const keepAliveMs = 75_000;

/** Of the grace, what streams get to end by themselves: many never would, and to wait for them would make every stop take all of it. */
const streamShare = 0.25;

const idleCheckMs = 50;

/** What the last answers have to reach their callers. */
const flushMs = 500;
