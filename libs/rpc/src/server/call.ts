import { type Code, MicroError } from '@micro/errors';
import type { MethodDefinition } from '@micro/proto';
import { isTraceparent, type Logger, type Metrics, newTraceparent, traceId } from '@micro/telemetry';
import { callScopeEnabled, runInCall } from '../call-scope.js';
import type { CallContext } from '../handler.js';
import { Metadata } from '../metadata.js';

/** A handler whose message types are no longer known. */
export type AnyHandler = (request: unknown, context: CallContext) => unknown;

export interface BoundMethod {
  readonly method: MethodDefinition;
  /** Undefined: the service has the method, and nobody implemented it. */
  readonly handler: AnyHandler | undefined;
}

/** Stands around every handler: calls `proceed`, or throws to refuse. Returns what the handler returns: a value, a promise or an iterable. */
export type Interceptor = (context: CallContext, proceed: () => unknown) => unknown;

export interface CallLimits {
  /** Bytes of one request message, after decompression. */
  readonly messageBytes: number;
  /** Bytes of all request headers. */
  readonly headerBytes: number;
  readonly concurrentCalls: number;
  /** Milliseconds until a connection's first byte, and until the headers of a request are complete. */
  readonly headersMs: number;
  /** Milliseconds until a unary request is complete. */
  readonly requestMs: number;
}

export interface CallRuntimeOptions {
  readonly name: string;
  readonly limits: CallLimits;
  readonly logger: Logger;
  readonly metrics: Metrics | undefined;
  readonly intercept: Interceptor | undefined;
}

/** What the calls of one server share, whichever lane they came by. */
export class CallRuntime {
  readonly name: string;
  readonly limits: CallLimits;
  readonly logger: Logger;
  readonly metrics: Metrics | undefined;
  readonly intercept: Interceptor | undefined;
  /** Set once the server stops: answers then close their connections. */
  closing = false;
  readonly #calls = new Set<ServerCall>();
  #stopped = false;
  #drained: (() => void) | undefined;

  constructor(options: CallRuntimeOptions) {
    this.name = options.name;
    this.limits = options.limits;
    this.logger = options.logger;
    this.metrics = options.metrics;
    this.intercept = options.intercept;
  }

  /** Calls under way. */
  get inFlight(): number {
    return this.#calls.size;
  }

  begun(call: ServerCall): void {
    this.#calls.add(call);
  }

  over(call: ServerCall): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#drained?.();
  }

  /** Resolves when no call is in flight, or `ms` from now. */
  drained(ms: number): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#drained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Aborts the streams under way. */
  stopStreams(): void {
    for (const call of this.#calls) if (call.method.kind !== 'unary') call.refuse(this.#stopping());
  }

  /** Aborts what is under way; what comes from now on is refused. */
  stop(): void {
    this.#stopped = true;
    for (const call of this.#calls) call.refuse(this.#stopping());
  }

  /** Why a call cannot be taken now, whatever it asks for; another node may take it. `others`: calls under way beside it. */
  refusal(others: number): MicroError | undefined {
    if (this.#stopped) return this.#stopping();
    if (others < this.limits.concurrentCalls) return undefined;
    const detail = `${this.name} is answering ${this.limits.concurrentCalls} calls, its limit: try again later`;
    return new MicroError('resource_exhausted', detail, { id: this.name });
  }

  /** The error to answer with: a fault that nobody meant to show is logged, and shown as the identifier to find it by. */
  explain(thrown: unknown, call: ServerCall): MicroError {
    if (thrown instanceof MicroError) {
      const level = isFault(thrown.code) ? 'error' : 'debug';
      this.logger[level]('call failed', {
        method: call.method.path,
        code: thrown.code,
        detail: thrown.detail,
        ...causeOf(thrown),
      });
      return thrown;
    }
    const error = MicroError.from(thrown, this.name);
    if (error.code !== 'internal') {
      this.logger.warn('call failed', { method: call.method.path, code: error.code, error: thrown });
      return error;
    }
    const parent = call.header('traceparent');
    const trace = traceId(isTraceparent(parent) ? parent : newTraceparent());
    this.logger.error('call failed', { method: call.method.path, code: error.code, trace, error: thrown });
    return new MicroError('internal', `internal error; its cause is in the log of ${this.name} under trace ${trace}`, {
      id: this.name,
      cause: thrown,
    });
  }

  /** Name of who raised an error, for the wire; a service's own errors need not name it. */
  errorId(error: MicroError): string {
    const id = error.id === 'micro' ? this.name : error.id;
    return /^[\x20-\x7e]*$/.test(id) ? id : encodeURIComponent(id);
  }

  tooLarge(): MicroError {
    return new MicroError(
      'resource_exhausted',
      `the message is larger than ${this.limits.messageBytes} bytes, the limit of ${this.name}`,
      { id: this.name },
    );
  }

  #stopping(): MicroError {
    return new MicroError('unavailable', `${this.name} is stopping: call again`, { id: this.name });
  }
}

/** One call being answered. What a handler may never ask for (metadata, the signal) is made when it does. */
export abstract class ServerCall implements CallContext {
  deadline: number | undefined = undefined;
  /** Whether the answer has been given; what comes later is dropped. */
  protected done = false;
  readonly method: MethodDefinition;
  protected readonly runtime: CallRuntime;
  protected headersOut: Metadata | undefined = undefined;
  protected trailersOut: Metadata | undefined = undefined;
  /** Whether the call ends unseen by its handler, for reasons that have nothing to do with it. */
  protected refused = false;
  /** Whether its handler has been called. */
  private handled = false;
  private controller: AbortController | undefined = undefined;
  private reason: MicroError | undefined = undefined;
  private timer: NodeJS.Timeout | undefined = undefined;
  private readonly started: number;

  constructor(method: MethodDefinition, runtime: CallRuntime) {
    this.method = method;
    this.runtime = runtime;
    runtime.begun(this);
    if (runtime.metrics) {
      runtime.metrics.callStarted('server');
      this.started = performance.now();
    } else {
      this.started = 0;
    }
  }

  abstract readonly metadata: Metadata;
  abstract readonly peer: string;
  /** One request header, without making metadata of them all. */
  abstract header(name: string): string | undefined;
  /** Answers with an error; does nothing once answered. */
  abstract fail(thrown: unknown): void;
  /** Answers a unary response. */
  protected abstract succeed(message: unknown): void;
  /** Arranges that the caller's going away aborts this call. */
  protected abstract watchCaller(): void;

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.reason) this.controller.abort(this.reason);
      else if (!this.done) this.watchCaller();
    }
    return this.controller.signal;
  }

  get namespace(): string {
    return this.header('micro-namespace') || 'micro';
  }

  get from(): string | undefined {
    return this.header('micro-from-service');
  }

  get responseHeaders(): Metadata {
    return (this.headersOut ??= new Metadata());
  }

  sendHeaders(): void {
    // For those that answer with a stream.
  }

  get responseTrailers(): Metadata {
    return (this.trailersOut ??= new Metadata());
  }

  /** Gives up: the caller is told, the handler's signal aborts. */
  abort(reason: MicroError): void {
    if (this.done) return;
    this.reason = reason;
    this.controller?.abort(reason);
    this.fail(reason);
  }

  /** Gives up for the server's sake. If the handler has not been called yet, the caller is told that it may call again elsewhere. */
  refuse(reason: MicroError): void {
    this.refused = !this.handled;
    this.abort(reason);
  }

  /** Runs a handler that answers with one message. */
  protected answer(handler: AnyHandler, request: unknown): void {
    let result: unknown;
    try {
      result = callScopeEnabled()
        ? runInCall(this, () => this.invoke(handler, request))
        : this.invoke(handler, request);
    } catch (error) {
      return this.fail(error);
    }
    if (!isPromise(result)) return this.succeed(result);
    this.arm();
    result.then(
      (message) => this.succeed(message),
      (error) => this.fail(error),
    );
  }

  protected invoke(handler: AnyHandler, request: unknown): unknown {
    const { intercept } = this.runtime;
    this.handled = true;
    return intercept ? intercept(this, () => handler(request, this)) : handler(request, this);
  }

  /** Makes this the current call of what runs in `work`. */
  protected inScope<T>(work: () => T): T {
    return callScopeEnabled() ? runInCall(this, work) : work();
  }

  /** From now on the deadline ends the call. */
  protected arm(): void {
    if (this.done || this.timer) return;
    if (this.deadline !== undefined) this.timer = setTimeout(() => this.expire(), rounded(this.deadline - Date.now()));
  }

  /** Counts the call as over. To be called once, with the answer. */
  protected settle(outcome: 'ok' | Code): void {
    this.done = true;
    if (this.timer) clearTimeout(this.timer);
    const { runtime } = this;
    runtime.metrics?.callFinished('server', this.method.path, outcome, (performance.now() - this.started) / 1000);
    runtime.over(this);
  }

  private expire(): void {
    const left = (this.deadline as number) - Date.now();
    if (left > 0) {
      this.timer = setTimeout(() => this.expire(), rounded(left));
      return;
    }
    this.abort(
      new MicroError('deadline_exceeded', `${this.method.path} was not done by the caller's deadline`, {
        id: this.runtime.name,
      }),
    );
  }
}

/** Milliseconds of the longest timer that Node can set. */
const longest = 2 ** 31 - 1;

/** Up to a multiple of 8 ms: Node keeps one list of timers for each duration, so that a thousand different ones would be dear. */
function rounded(ms: number): number {
  return Math.min(Math.max(8, Math.ceil(ms / 8) * 8), longest);
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}

/** Codes that mean a mistake on this side. */
function isFault(code: Code): boolean {
  return code === 'internal' || code === 'unknown' || code === 'data_loss';
}

function causeOf(error: MicroError): { error?: unknown } {
  return error.cause === undefined ? {} : { error: error.cause };
}
