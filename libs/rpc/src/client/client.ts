import { MicroError } from '@micro/errors';
import type {
  Idempotency,
  Init,
  JsonValue,
  Message,
  MethodDefinition,
  MethodTypes,
  ServiceDefinition,
} from '@micro/proto';
import { currentCall, enableCallScope } from '../call-scope.js';
import { pushHeaders } from '../connect-wire.js';
import { type CallEnvironment, closedError } from './call-environment.js';
import { abortError, Cancellation, onAbort } from './cancellation.js';
import { bridged, readAnswer, readJsonAnswer } from './connect-answer.js';
import { Directory, type Group } from './directory.js';
import type { Answer } from './exchange.js';
import { forwarded } from './forwarded-stream.js';
import type {
  CallOptions,
  ClientOf,
  ClientOptions,
  ForwardedStream,
  ForwardRequest,
  ForwardResponse,
  ForwardStreamRequest,
  Messages,
} from './options.js';
import { callHeaders, compressed, deadlineOf, encoded, type Identity } from './outgoing.js';
import { RetryBudget } from './retry-budget.js';
import { StreamCall, type StreamRequest } from './stream-call.js';
import { single, StreamResponses } from './stream-responses.js';
import { type Settled, UnaryCall, type UnaryRequest } from './unary-call.js';

/** A unary call as its kinds differ. */
interface UnaryContent {
  readonly service: string;
  readonly path: string;
  readonly contentType: 'application/json' | 'application/proto';
  readonly body: Uint8Array;
  readonly idempotency: Idempotency;
}

/** What a call may be canceled by. */
type Cancel = Cancellation | AbortSignal | readonly (AbortSignal | undefined)[] | undefined;

const noOptions: CallOptions = {};

/**
 * Calls services by name. Unary calls go over Connect/HTTP 1.1 to nodes that speak it, else over gRPC; streams go over gRPC.
 *
 * Safe by default: a unary call has a deadline; a call that was not processed is tried on another node, one that may have been only if its
 * method is idempotent, within a budget; nodes that fail get no calls until they answer again. Calls made while another call is being
 * answered inherit its deadline, namespace and trace, and are canceled with it.
 */
export class Client {
  readonly #identity: Identity;
  readonly #timeout: number;
  readonly #messageBytes: number;
  readonly #compressFrom: number | undefined;
  readonly #directory: Directory;
  readonly #environment: CallEnvironment;

  constructor(options: ClientOptions) {
    const { limits = {}, discovery, logger, metrics, name = '', zone = '', region = '', ejection = {} } = options;
    this.#identity = { name, namespace: options.namespace ?? 'micro' };
    this.#timeout = options.timeout ?? 5_000;
    this.#messageBytes = limits.messageBytes ?? 4 * 1024 * 1024;
    this.#compressFrom = options.compressFrom;
    this.#environment = {
      name: name || 'micro',
      budget: new RetryBudget(options.retryBudget),
      metrics,
      streams: new Set(),
      closed: false,
    };
    const { connectionsPerNode = 512, concurrentCalls = 10_000 } = limits;
    this.#directory = new Directory({
      discovery,
      logger,
      zone,
      region,
      ejection,
      connectionsPerNode,
      concurrentCalls,
      messageBytes: this.#messageBytes,
    });
    enableCallScope();
  }

  /** A service's methods as functions, by their local names. `target.service`: where to call it, if not the package of the definition. */
  of<M extends MethodTypes>(
    service: ServiceDefinition<M>,
    target: { readonly service?: string } = {},
  ): ClientOf<ServiceDefinition<M>> {
    const call = {
      unary: this.unary,
      serverStream: this.serverStream,
      clientStream: this.clientStream,
      bidiStream: this.bidiStream,
    };
    const calls = service.methods.map((method) => {
      const invoke = call[method.kind].bind(this) as (
        method: MethodDefinition,
        request: never,
        options?: CallOptions,
      ) => unknown;
      return [
        method.localName,
        (request: never, options?: CallOptions) =>
          invoke(method, request, target.service ? { ...target, ...options } : options),
      ];
    });
    return Object.fromEntries(calls) as ClientOf<ServiceDefinition<M>>;
  }

  unary<I extends Message, O extends Message>(
    method: MethodDefinition<I, O>,
    request: Init<I>,
    options: CallOptions = noOptions,
  ): Promise<O> {
    return new Promise<O>((resolve, reject) => {
      const body = method.input.encode(request);
      const settled: Settled = (error, answer) => {
        if (error) return reject(error);
        try {
          resolve(readAnswer(answer as Answer, method.output, options, this.#messageBytes));
        } catch (failure) {
          reject(failure);
        }
      };
      this.#unary(
        {
          service: method.service.package,
          path: method.path,
          contentType: 'application/proto',
          body,
          idempotency: method.idempotency,
        },
        options,
        settled,
      );
    });
  }

  serverStream<I extends Message, O extends Message>(
    method: MethodDefinition<I, O>,
    request: Init<I>,
    options: CallOptions = noOptions,
  ): AsyncIterable<O> {
    return this.#stream(method, [request], options);
  }

  /** Resolves with the one answer; not all requests may have been taken by then. */
  clientStream<I extends Message, O extends Message>(
    method: MethodDefinition<I, O>,
    requests: Messages<Init<I>>,
    options: CallOptions = noOptions,
  ): Promise<O> {
    return single(this.#stream(method, requests, options));
  }

  bidiStream<I extends Message, O extends Message>(
    method: MethodDefinition<I, O>,
    requests: Messages<Init<I>>,
    options: CallOptions = noOptions,
  ): AsyncIterable<O> {
    return this.#stream(method, requests, options);
  }
  /** A unary call without a schema: canonical proto3 JSON to the path of a method, and back. Nodes that only speak gRPC cannot answer it. */
  json(
    service: string,
    path: string,
    body: JsonValue,
    options: CallOptions & { readonly idempotency?: Idempotency } = noOptions,
  ): Promise<JsonValue> {
    return new Promise((resolve, reject) => {
      const settled: Settled = (error, answer) =>
        error ? reject(error) : resolve(readJsonAnswer(answer as Answer, options, this.#messageBytes));
      const { idempotency = 'unknown' } = options;
      this.#unary(
        { service, path, contentType: 'application/json', body: Buffer.from(JSON.stringify(body)), idempotency },
        options,
        settled,
      );
    });
  }

  /**
   * Passes a unary call on, bytes as they are, and hands its answer back, an error of the service as well. Rejects only if there is no answer:
   * `not_found`, `unavailable`, `deadline_exceeded`, `canceled`, `resource_exhausted`; `unimplemented` for JSON where all nodes only speak
   * gRPC. Takes nothing over from a call that is being answered.
   */
  forward(request: ForwardRequest): Promise<ForwardResponse> {
    return new Promise((resolve, reject) => {
      const {
        service,
        namespace,
        path,
        contentType,
        body,
        idempotent,
        signal,
        timeoutMs: timeout = this.#timeout,
      } = request;
      const headers = ['content-type', contentType, 'connect-protocol-version', '1', 'micro-namespace', namespace];
      for (const header of request.headers) headers.push(header);
      const settled: Settled = (error, answer) => (error ? reject(error) : resolve(bridged(answer as Answer)));
      const deadline = performance.now() + timeout;
      this.#start(
        this.#directory.group(service, namespace),
        {
          service,
          path,
          headers,
          body,
          timeout,
          deadline,
          idempotent,
          connectOnly: contentType === 'application/json',
        },
        settled,
        signal,
      );
    });
  }

  /** Whether a service has a node that takes Connect, and so JSON; false as well if it has no node. */
  async speaksConnect(service: string, namespace: string): Promise<boolean> {
    try {
      return (await this.#directory.group(service, namespace)).peers.some((peer) => peer.connect !== undefined);
    } catch {
      return false;
    }
  }

  /** Passes a call of any kind on over gRPC, messages as they are. Takes nothing over from a call that is being answered. */
  forwardStream(request: ForwardStreamRequest): ForwardedStream {
    const { service, namespace, path, messages, signal, timeoutMs: timeout = Number.POSITIVE_INFINITY } = request;
    const headers = ['micro-namespace', namespace];
    pushHeaders(headers, request.headers);
    const deadline = performance.now() + timeout;
    return forwarded(
      this.#open(
        this.#group(service, namespace),
        { service, path, headers, messages, timeout, deadline, compressFrom: undefined },
        signal,
      ),
    );
  }

  /** Breaks off what is under way, with `canceled`, and closes all connections. Calls made later are refused. */
  async close(): Promise<void> {
    this.#environment.closed = true;
    for (const stream of [...this.#environment.streams]) stream.cancel(closedError());
    await this.#directory.close();
  }

  #unary(content: UnaryContent, options: CallOptions, settled: Settled): void {
    const current = currentCall();
    const { path, contentType, body, idempotency } = content;
    const service = options.service ?? content.service;
    const namespace = options.namespace ?? current?.namespace ?? this.#identity.namespace;
    const headers = ['content-type', contentType, 'connect-protocol-version', '1'];
    callHeaders(headers, this.#identity, namespace, { options, current });
    const timeout = options.timeout ?? this.#timeout;
    const deadline = deadlineOf(timeout, performance.now(), current);
    const request: UnaryRequest = {
      service,
      path,
      headers,
      body,
      timeout,
      deadline,
      idempotent: idempotency !== 'unknown',
      connectOnly: contentType === 'application/json',
    };
    const group =
      options.address === undefined
        ? this.#directory.group(service, namespace)
        : this.#directory.address(options.address);
    const signals = options.signal || current ? [options.signal, current?.signal] : undefined;
    if (this.#compressFrom === undefined) return this.#start(group, request, settled, signals);
    void compressed(request, this.#compressFrom).then(
      (smaller) => this.#start(group, smaller, settled, signals),
      (error) => settled(MicroError.from(error), undefined),
    );
  }

  #start(group: Group | Promise<Group>, request: UnaryRequest, settled: Settled, cancel: Cancel): void {
    if (request.body.length > this.#messageBytes) {
      const detail = `the request is larger than ${this.#messageBytes} bytes, the limit of this client`;
      return settled(new MicroError('resource_exhausted', detail, { id: this.#environment.name }), undefined);
    }
    if (!cancel || cancel instanceof Cancellation) {
      if (cancel?.reason) return settled(cancel.reason, undefined);
      const call = new UnaryCall(this.#environment, request, settled);
      cancel?.bind((reason) => call.cancel(reason));
      return call.start(group);
    }
    const signals = cancel instanceof AbortSignal ? [cancel] : cancel;
    const aborted = signals.find((signal) => signal?.aborted);
    if (aborted) return settled(abortError(aborted), undefined);
    const call: UnaryCall = new UnaryCall(this.#environment, request, (error, answer) => {
      stop();
      settled(error, answer);
    });
    const stop = onAbort(signals, (reason) => call.cancel(reason));
    call.start(group);
  }

  #stream<I extends Message, O extends Message>(
    method: MethodDefinition<I, O>,
    requests: Messages<Init<I>>,
    options: CallOptions,
  ): StreamResponses<O> {
    const current = currentCall();
    const begin = () => {
      const service = options.service ?? method.service.package;
      const namespace = options.namespace ?? current?.namespace ?? this.#identity.namespace;
      const headers: string[] = [];
      callHeaders(headers, this.#identity, namespace, { options, current });
      const timeout = options.timeout ?? Number.POSITIVE_INFINITY;
      const deadline = deadlineOf(timeout, performance.now(), current);
      const request = {
        service,
        path: method.path,
        headers,
        messages: encoded(requests, method.input),
        timeout: deadline - performance.now(),
        deadline,
        compressFrom: this.#compressFrom,
      };
      return this.#open(this.#group(service, namespace, options.address), request, [options.signal, current?.signal]);
    };
    return new StreamResponses(begin, method.output, options);
  }

  #open(group: Promise<Group>, request: StreamRequest, cancel: Cancel): StreamCall {
    const call = new StreamCall(this.#environment, group, request);
    if (cancel instanceof Cancellation) {
      cancel.bind((reason) => call.cancel(reason));
    } else {
      const signals = cancel instanceof AbortSignal ? [cancel] : (cancel ?? []);
      void call.outcome.then(onAbort(signals, (reason) => call.cancel(reason)));
    }
    return call;
  }

  async #group(service: string, namespace: string, address?: string): Promise<Group> {
    return address === undefined ? this.#directory.group(service, namespace) : this.#directory.address(address);
  }
}
