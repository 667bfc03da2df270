import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Code, MicroError } from '@micro/errors';
import { Cancellation, type HttpResponse, type PlainRequest } from '@micro/rpc';
import { childTraceparent, traceId } from '@micro/telemetry';
import { pushCors } from './cors.js';
import { type Inbound, readInbound } from './inbound.js';
import type { Method } from './method.js';
import { pushMetadata } from './outbound.js';

/** Bytes of a body up to which copying it is cheaper than a second piece. */
const onePiece = 16 * 1024;

/** One request to the gateway and its answer, which is given once. */
export class HttpCall {
  readonly request: IncomingMessage | PlainRequest;
  readonly response: HttpResponse;
  readonly inbound: Inbound;
  /** Of the gateway's own part in the trace. */
  readonly traceparent: string;
  /** What it calls, once that is known. */
  method: Method | undefined = undefined;
  /** How it ended, once it has. */
  outcome: 'ok' | Code = 'canceled';
  /** Of what is done for it: canceled when the caller goes away without its answer. */
  readonly cancellation = new Cancellation();
  readonly #begun = performance.now();
  readonly #closed: (call: HttpCall) => void;
  readonly #others: Set<HttpCall>;

  /** `closed` is called once: when it has its answer, or its caller has gone. */
  constructor(request: IncomingMessage | PlainRequest, response: HttpResponse, closed: (call: HttpCall) => void) {
    this.request = request;
    this.response = response;
    this.#closed = closed;
    this.#others = followed(request.socket);
    this.#others.add(this);
    response.on('close', () => this.close());
    if (request.socket.destroyed) queueMicrotask(() => this.close());
    this.inbound = readInbound(request);
    this.traceparent = childTraceparent(this.inbound.traceparent);
  }

  /** Since it came. */
  get seconds(): number {
    return (performance.now() - this.#begun) / 1000;
  }

  get trace(): string {
    return traceId(this.traceparent);
  }

  /** It is over, whether answered or not. */
  close(): void {
    if (!this.#others.delete(this)) return;
    if (!this.response.writableEnded)
      this.cancellation.cancel(new MicroError('canceled', 'the caller went away', { id: 'api' }));
    this.#closed(this);
  }

  /** Answers with a body and the metadata that a service sent along. */
  answer(
    status: number,
    content: { readonly type: string; readonly body: Buffer | string },
    metadata?: readonly string[],
  ): void {
    if (this.response.headersSent || this.response.destroyed) return;
    const body = typeof content.body === 'string' ? Buffer.from(content.body) : content.body;
    const response = this.#write(
      status,
      ['content-type', content.type, 'content-length', String(body.length), 'micro-trace-id', this.trace],
      metadata,
    );
    // Of a string Node makes one piece with the headers. Latin-1 keeps every byte as it is.
    if (body.length <= onePiece) response.end(body.toString('latin1'), 'latin1');
    else response.end(body);
  }

  /** Answers 204. */
  answerNothing(metadata?: readonly string[], headers: readonly string[] = []): void {
    if (this.response.headersSent || this.response.destroyed) return;
    this.#write(204, ['micro-trace-id', this.trace, ...headers], metadata).end();
  }

  /** Begins an answer whose body is written piece by piece. */
  open(type: string, metadata?: readonly string[]): HttpResponse {
    return this.#write(
      200,
      ['content-type', type, 'cache-control', 'no-cache', 'x-accel-buffering', 'no', 'micro-trace-id', this.trace],
      metadata,
    );
  }

  /** Answers with an error's JSON; returns the error as it was told. */
  fail(thrown: unknown): MicroError {
    const error = this.explain(thrown);
    if (this.response.headersSent) {
      this.response.destroy();
      return error;
    }
    const metadata = Object.entries(error.metadata).flatMap(([name, value]) =>
      [value].flat().flatMap((one) => [name, one]),
    );
    const content = { type: 'application/json', body: JSON.stringify(error) };
    try {
      this.answer(error.status, content, metadata);
    } catch {
      // Metadata that no header can carry: nothing has been written yet, and the error is worth more.
      this.answer(error.status, content);
    }
    return error;
  }

  #write(status: number, headers: string[], metadata: readonly string[] | undefined): HttpResponse {
    if (status < 400) this.outcome = 'ok';
    if (this.inbound.origin !== '') pushCors(headers, this.inbound.origin);
    if (metadata) pushMetadata(headers, metadata);
    return this.response.writeHead(status, headers);
  }

  /** The error as the outside may see it, for an answer that has begun; counts as its outcome. */
  explain(thrown: unknown): MicroError {
    const error = this.#explained(thrown);
    this.outcome = error.code;
    return error;
  }

  /** An error as the outside may see it: of an internal fault only where to look it up. */
  #explained(thrown: unknown): MicroError {
    const error = MicroError.from(thrown, 'api');
    if (error.detail !== 'internal error') return error;
    return new MicroError(error.code, `internal error; its cause is in the log under trace ${this.trace}`, {
      id: error.id,
      status: error.status,
      cause: error.cause ?? error,
    });
  }
}

/** The requests under way on each connection: of those that wait behind another one, Node does not say that their caller has gone. */
const underWay = new WeakMap<Socket, Set<HttpCall>>();

function followed(socket: Socket): Set<HttpCall> {
  let calls = underWay.get(socket);
  if (!calls) {
    const these = new Set<HttpCall>();
    underWay.set(socket, (calls = these));
    socket.once('close', () => {
      for (const call of these) call.close();
    });
  }
  return calls;
}
