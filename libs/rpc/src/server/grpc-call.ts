import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { Metadata as GrpcMetadata, ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { MicroError } from '@micro/errors';
import { notProcessed } from '../connect-wire.js';
import type { Metadata } from '../metadata.js';
import { type AnyHandler, type BoundMethod, type CallRuntime, isPromise, ServerCall } from './call.js';
import { compress, compressFrom, decompress } from './compression.js';
import { acceptedEncodings } from './grpc-admission.js';
import { addError, addMetadata, metadataOfHeaders, parseTimeout, statusMessage } from './grpc-wire.js';
import { RequestStream } from './request-stream.js';

/** Milliseconds that the status of a call that the server gives up has to reach its caller. */
const flushMs = 500;

/** What is to be known of a call's messages beside their bytes. */
export interface MessageFrames {
  /** Calls `exceeded` at the prefix of a message of more than `limit` bytes. */
  watch(limit: number, exceeded: () => void): void;
  /** Whether the next message is compressed. */
  take(): boolean;
  /** Whether the request ends where a message does. */
  readonly complete: boolean;
}

/** One call as its HTTP/2 hands it over. */
export interface GrpcExchange {
  /** Splits the stream into messages when asked to, writes headers, messages and status. */
  readonly wire: ServerInterceptingCallInterface;
  readonly frames: MessageFrames;
  readonly headers: IncomingHttpHeaders;
  /** Headers in the form that the wire takes them in. */
  readonly wrap: (headers: OutgoingHttpHeaders) => GrpcMetadata;
  /** Whether the caller has broken it off. */
  readonly aborted: () => boolean;
  /** Breaks it off, if it is not over. */
  readonly cut: () => void;
}

/** One call over gRPC, of any kind. */
export class GrpcCall extends ServerCall {
  readonly #handler: AnyHandler;
  readonly #exchange: GrpcExchange;
  readonly #wire: ServerInterceptingCallInterface;
  readonly #frames: MessageFrames;
  readonly #encoding: string;
  readonly #gzip: boolean;
  #requests: RequestStream | undefined;
  #first: unknown;
  #requestTimer: NodeJS.Timeout | undefined;
  #headersSent = false;
  #responses: AsyncIterator<unknown> | undefined;
  #unblock: (() => void) | undefined;
  #metadata: Metadata | undefined;

  constructor({ method, handler }: BoundMethod, runtime: CallRuntime, exchange: GrpcExchange) {
    super(method, runtime);
    this.#handler = handler as AnyHandler;
    this.#exchange = exchange;
    this.#wire = exchange.wire;
    this.#frames = exchange.frames;
    const { 'grpc-encoding': encoding = 'identity', 'grpc-accept-encoding': accepted = '' } = exchange.headers;
    this.#encoding = String(encoding);
    this.#gzip = encoding === 'gzip' && /\bgzip\b/.test(String(accepted));
  }

  get metadata(): Metadata {
    return (this.#metadata ??= metadataOfHeaders(this.#exchange.headers));
  }

  get peer(): string {
    return this.#wire.getPeer();
  }

  header(name: string): string | undefined {
    const value = this.#exchange.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  start(): void {
    this.#wire.start({
      onReceiveMetadata: () => this.#begin(),
      onReceiveMessage: (bytes: Buffer) => this.#receive(bytes),
      onReceiveHalfClose: () => this.#halfClosed(),
      // Comes at the end of every call, too.
      onCancel: () =>
        this.done ||
        this.abort(new MicroError('canceled', 'the caller canceled, or went away', { id: this.runtime.name })),
    });
  }

  override sendHeaders(): void {
    const { kind } = this.method;
    if (!this.done && kind !== 'unary' && kind !== 'clientStream') this.#sendHeaders();
  }

  override abort(reason: MicroError): void {
    if (this.done) return;
    super.abort(reason);
    this.#requests?.fail(reason);
    this.#unblock?.();
    // The generator runs its finally blocks; one that waits for something else than the signal does so when that is there.
    this.#responses?.return?.().then(undefined, () => undefined);
  }

  override refuse(reason: MicroError): void {
    if (this.done) return;
    super.refuse(reason);
    // The connection ends with its last stream: this one must not wait for a caller who neither reads nor ends it.
    setTimeout(() => this.#exchange.cut(), flushMs).unref();
  }

  #begin(): void {
    const timeout = this.header('grpc-timeout');
    if (timeout !== undefined) {
      const ms = parseTimeout(timeout);
      if (ms === undefined)
        return this.fail(new MicroError('invalid_argument', `grpc-timeout ${JSON.stringify(timeout)} is malformed`));
      this.deadline = Date.now() + ms;
    }
    this.#frames.watch(this.runtime.limits.messageBytes, () => this.abort(this.runtime.tooLarge()));
    this.arm();
    const { kind } = this.method;
    if (kind === 'clientStream' || kind === 'bidiStream') {
      this.#requests = new RequestStream(() => this.#wire.startRead());
      this.#run(this.#requests);
      return;
    }
    this.#requestTimer = setTimeout(
      () => this.abort(new MicroError('deadline_exceeded', 'the request was not complete in time')),
      this.runtime.limits.requestMs,
    );
    this.#wire.startRead();
  }

  #receive(bytes: Buffer): void {
    if (this.done) return;
    const compressed = this.#frames.take();
    if (!compressed) return this.#decode(bytes);
    if (this.#encoding === 'identity') {
      return this.abort(
        new MicroError('internal', 'a message is marked as compressed, and the call has no grpc-encoding'),
      );
    }
    const limit = { bytes: this.runtime.limits.messageBytes, exceeded: () => this.runtime.tooLarge() };
    decompress(bytes, this.#encoding, limit, (error, content) => {
      if (error) this.abort(error);
      else if (!this.done) this.#decode(content);
    });
  }

  #decode(bytes: Buffer): void {
    let message: unknown;
    try {
      message = this.method.input.decode(bytes);
    } catch (error) {
      return this.abort(MicroError.from(error, this.runtime.name));
    }
    if (this.#requests) return this.#requests.push(message);
    if (this.#first !== undefined)
      return this.abort(new MicroError('unimplemented', `${this.method.path} takes one message, and got more`));
    this.#first = message;
    this.#wire.startRead();
  }

  #halfClosed(): void {
    clearTimeout(this.#requestTimer);
    if (this.done) return;
    if (!this.#frames.complete) return this.abort(new MicroError('internal', 'the request ended within a message'));
    if (this.#requests) {
      // Callers on Node cancel by ending the stream and then resetting it: half of an upload must not be taken for the whole.
      setImmediate(() => !this.#exchange.aborted() && this.#requests?.end());
      return;
    }
    if (this.#first === undefined)
      return this.abort(new MicroError('unimplemented', `${this.method.path} takes one message, and got none`));
    this.#run(this.#first);
  }

  #run(request: unknown): void {
    const { kind } = this.method;
    if (kind === 'unary' || kind === 'clientStream') this.answer(this.#handler, request);
    else void this.inScope(() => this.#pump(request));
  }

  /** Sends what a handler yields, asking for the next only when the last is on its way. */
  async #pump(request: unknown): Promise<void> {
    try {
      const result = this.invoke(this.#handler, request);
      const iterable = (isPromise(result) ? await result : result) as AsyncIterable<unknown>;
      const responses = (this.#responses = iterable[Symbol.asyncIterator]());
      while (!this.done) {
        const { done, value } = await responses.next();
        if (this.done) break;
        if (done) return this.#finish();
        await this.#send(this.method.output.encode(value as object));
      }
      await responses.return?.();
    } catch (error) {
      this.fail(error);
      this.#responses?.return?.().then(undefined, () => undefined);
    }
  }

  protected succeed(message: unknown): void {
    if (this.done) return;
    let bytes: Uint8Array;
    try {
      bytes = this.method.output.encode(message as object);
    } catch (error) {
      return this.fail(error);
    }
    this.#write(bytes, () => this.#finish());
  }

  fail(thrown: unknown): void {
    if (this.done) return;
    const error = this.runtime.explain(thrown, this);
    this.#settled(error.code);
    const trailers = this.#trailers();
    addError(trailers, error, this.runtime);
    if (this.refused) trailers[notProcessed] = 'true';
    if (this.headersOut) this.#sendHeaders();
    this.#wire.sendStatus({
      code: error.grpcStatus,
      details: statusMessage(error),
      metadata: this.#exchange.wrap(trailers),
    });
  }

  protected watchCaller(): void {
    // grpc-js tells of every cancellation.
  }

  #finish(): void {
    if (this.done) return;
    this.#settled('ok');
    if (this.headersOut) this.#sendHeaders();
    this.#wire.sendStatus({ code: 0, details: '', metadata: this.#exchange.wrap(this.#trailers()) });
  }

  #settled(outcome: Parameters<ServerCall['settle']>[0]): void {
    clearTimeout(this.#requestTimer);
    this.settle(outcome);
  }

  #trailers(): OutgoingHttpHeaders {
    const trailers: OutgoingHttpHeaders = {};
    if (this.trailersOut) addMetadata(trailers, this.trailersOut);
    return trailers;
  }

  #sendHeaders(): void {
    if (this.#headersSent) return;
    this.#headersSent = true;
    const headers: OutgoingHttpHeaders = this.#gzip
      ? { ...acceptedEncodings, 'grpc-encoding': 'gzip' }
      : { ...acceptedEncodings };
    if (this.headersOut) addMetadata(headers, this.headersOut);
    this.#wire.sendMetadata(this.#exchange.wrap(headers));
  }

  #send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#unblock = resolve;
      this.#write(bytes, resolve);
    });
  }

  #write(bytes: Uint8Array, done: () => void): void {
    this.#sendHeaders();
    if (!this.#gzip || bytes.length < compressFrom)
      return this.#wire.sendMessage(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), done);
    compress(bytes, 'gzip', (error, compressed) => {
      if (error) {
        this.fail(error);
        done();
      } else if (!this.done) this.#wire.sendMessage(compressedFrame(compressed), done);
    });
  }
}

/** grpc-js writes a message's prefix, with the flag for "not compressed", before it copies the message behind it: the copy sets the flag. */
function compressedFrame(bytes: Buffer): Buffer {
  return Object.assign(bytes, {
    copy(target: Buffer, start: number): number {
      target[start - 5] = 1;
      target.set(bytes, start);
      return bytes.length;
    },
  });
}
