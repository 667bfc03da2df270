import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { MicroError } from '@micro/errors';
import type { PlainRequest } from '../http1/plain-request.js';
import type { HttpResponse } from '../http1/plain-response.js';
import { type JsonValue, type MethodDefinition, parseJson } from '@micro/proto';
import { type AnyHandler, type CallRuntime, ServerCall } from './call.js';
import { compress, compressFrom, decompress, isEncoding, encodings, negotiate } from './compression.js';
import {
  connectErrorBody,
  connectStatus,
  errorHeaders,
  metadataOf,
  notProcessed,
  pushHeaders,
} from '../connect-wire.js';
import type { Metadata } from '../metadata.js';

/** What is left of a refused body is read and dropped up to here, so that the answer is not lost with the connection. */
const discardLimit = 64 * 1024 * 1024;
const empty = Buffer.alloc(0);

/** One unary call over HTTP/1.1. */
export class ConnectCall extends ServerCall {
  private readonly request: IncomingMessage | PlainRequest;
  private readonly response: HttpResponse;
  private readonly handler: AnyHandler;
  private json = true;
  private encoding = '';
  private acceptEncoding = '';
  private length = -1;
  private received = 0;
  private chunks: Buffer[] | undefined = undefined;
  private complete = false;
  private metadataIn: Metadata | undefined = undefined;
  /** Whose body is being read. */
  private incoming: IncomingMessage | undefined = undefined;

  constructor(method: MethodDefinition, handler: AnyHandler, runtime: CallRuntime, exchange: Exchange) {
    super(method, runtime);
    this.handler = handler;
    this.request = exchange.request;
    this.response = exchange.response;
  }

  get metadata(): Metadata {
    return (this.metadataIn ??= metadataOf(this.request.rawHeaders));
  }

  get peer(): string {
    const { remoteAddress, remotePort } = this.request.socket;
    return `${remoteAddress}:${remotePort}`;
  }

  header(name: string): string | undefined {
    const raw = this.request.rawHeaders;
    for (let index = 0; index < raw.length; index += 2) {
      const key = raw[index] as string;
      if (key.length === name.length && key.toLowerCase() === name) return raw[index + 1];
    }
    return undefined;
  }

  /** POST whose body is there. */
  take(body: Buffer): void {
    if (!this.admit()) return;
    if (body.length > this.runtime.limits.messageBytes) return this.fail(this.runtime.tooLarge());
    this.bodyRead(body);
  }

  /** POST: reads the body, then answers. */
  read(request: IncomingMessage): void {
    if (!this.admit()) return;
    if (this.length > this.runtime.limits.messageBytes) return this.fail(this.runtime.tooLarge());
    this.incoming = request;
    request.on('data', (chunk: Buffer) => this.receive(chunk));
    request.on('end', () => this.end());
    request.on('close', () => this.gone());
  }

  /** GET: the message is in the query. */
  query(query: string): void {
    if (!this.admit()) return;
    this.complete = true;
    const parameters = new URLSearchParams(query);
    const codec = parameters.get('encoding') ?? 'json';
    if (codec !== 'json' && codec !== 'proto') {
      return this.fail(
        new MicroError('unknown', `encoding ${JSON.stringify(codec.slice(0, 100))} is not json or proto`, {
          status: 415,
        }),
      );
    }
    const version = parameters.get('connect');
    if (version !== null && version !== 'v1')
      return this.fail(new MicroError('invalid_argument', `connect=${version} is not v1`));
    this.json = codec === 'json';
    this.encoding = parameters.get('compression') ?? '';
    if (this.encoding === 'identity') this.encoding = '';
    if (this.encoding !== '' && !isEncoding(this.encoding)) return this.fail(unknownEncoding(this.encoding));
    const message = parameters.get('message') ?? '';
    const base64 = parameters.get('base64') === '1';
    this.decompress(message === '' ? empty : Buffer.from(message, base64 ? 'base64' : 'utf8'));
  }

  /** Reads the headers that matter; false if they, or the load, end the call here. */
  private admit(): boolean {
    const { runtime } = this;
    const refusal = runtime.refusal(runtime.inFlight - 1);
    if (refusal) this.refuse(refusal);
    const error = refusal ?? this.readHeaders();
    if (error) this.fail(error);
    return !error;
  }

  private readHeaders(): MicroError | undefined {
    const raw = this.request.rawHeaders;
    let contentType: string | undefined;
    for (let index = 0; index < raw.length; index += 2) {
      const name = raw[index] as string;
      const value = raw[index + 1] as string;
      switch (name.length) {
        case 12:
          if (contentType === undefined && name.toLowerCase() === 'content-type') contentType = value;
          break;
        case 14:
          if (name.toLowerCase() === 'content-length') this.length = Number(value);
          break;
        case 15:
          if (name.toLowerCase() === 'accept-encoding') this.acceptEncoding = value;
          break;
        case 16:
          if (name.toLowerCase() === 'content-encoding' && value !== 'identity') this.encoding = value.toLowerCase();
          break;
        case 18:
          if (name.toLowerCase() === 'connect-timeout-ms') {
            if (!/^\d{1,10}$/.test(value))
              return new MicroError(
                'invalid_argument',
                `connect-timeout-ms ${JSON.stringify(value)} is not a whole number of milliseconds of at most ten digits`,
              );
            this.deadline = Date.now() + Number(value);
          }
          break;
        case 24:
          if (name.toLowerCase() === 'connect-protocol-version' && value !== '1') {
            return new MicroError('invalid_argument', `connect-protocol-version ${JSON.stringify(value)} is not 1`);
          }
      }
    }
    if (this.request.method === 'GET') return undefined;
    if (contentType === 'application/proto') this.json = false;
    else if (contentType !== 'application/json' && !this.isJson(contentType))
      return this.unsupported(contentType ?? '');
    return this.encoding === '' || isEncoding(this.encoding) ? undefined : unknownEncoding(this.encoding);
  }

  /**
   * JSON with parameters; and, beyond the protocol, what `curl -d` sends: no content type of its own, or that of a form. Not from a browser,
   * where any page may send a form anywhere without asking.
   */
  private isJson(contentType: string | undefined): boolean {
    const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase();
    if (type === 'application/json') return true;
    if (type === 'application/proto') {
      this.json = false;
      return true;
    }
    if (type !== '' && type !== 'application/x-www-form-urlencoded') return false;
    return this.header('origin') === undefined && this.header('sec-fetch-site') === undefined;
  }

  private unsupported(contentType: string): MicroError {
    const shown = JSON.stringify(contentType.slice(0, 100));
    return new MicroError(
      'unknown',
      `content type ${shown} is not supported: send application/json or application/proto`,
      {
        status: 415,
        metadata: { 'accept-post': 'application/json, application/proto' },
      },
    );
  }

  private receive(chunk: Buffer): void {
    this.received += chunk.length;
    if (this.done) {
      if (this.received > discardLimit) this.incoming?.destroy();
      return;
    }
    if (this.received > this.runtime.limits.messageBytes) return this.fail(this.runtime.tooLarge());
    if (this.chunks) this.chunks.push(chunk);
    else if (this.received === this.length) this.bodyRead(chunk);
    else this.chunks = [chunk];
  }

  private end(): void {
    if (this.done || this.complete) return;
    this.bodyRead(this.chunks ? Buffer.concat(this.chunks, this.received) : empty);
  }

  private gone(): void {
    if (!this.complete && !this.done) this.settle('canceled');
  }

  private bodyRead(body: Buffer): void {
    this.complete = true;
    this.chunks = undefined;
    this.decompress(body);
  }

  private decompress(body: Buffer): void {
    if (this.encoding === '' || body.length === 0) return this.decode(body);
    const { runtime } = this;
    decompress(
      body,
      this.encoding,
      { bytes: runtime.limits.messageBytes, exceeded: () => runtime.tooLarge() },
      (error, bytes) => {
        if (error) this.fail(error);
        else if (!this.done) this.decode(bytes);
      },
    );
  }

  private decode(body: Buffer): void {
    if (this.deadline !== undefined && this.deadline <= Date.now()) {
      return this.abort(
        new MicroError('deadline_exceeded', `the deadline of ${this.method.path} passed before the request was read`),
      );
    }
    let message: unknown;
    try {
      message = this.json
        ? this.method.input.fromJson(jsonOf(body), { ignoreUnknownFields: true })
        : this.method.input.decode(body);
    } catch (error) {
      return this.fail(error);
    }
    this.answer(this.handler, message);
  }

  protected succeed(message: unknown): void {
    if (this.done) return;
    try {
      const { output } = this.method;
      const body = this.json ? JSON.stringify(output.toJson(message as object)) : output.encode(message as object);
      const encoding =
        body.length >= compressFrom && this.acceptEncoding !== '' ? negotiate(this.acceptEncoding) : undefined;
      if (encoding === undefined) return this.send(body);
      this.settle('ok');
      compress(typeof body === 'string' ? Buffer.from(body) : body, encoding, (error, bytes) => {
        if (error) this.send(body);
        else this.write(200, ['content-encoding', encoding, 'vary', 'accept-encoding'], bytes);
      });
    } catch (error) {
      this.fail(error);
    }
  }

  fail(thrown: unknown): void {
    if (this.done) return;
    const error = this.runtime.explain(thrown, this);
    this.settle(error.code);
    // What is still to come of the body is dropped.
    this.chunks = undefined;
    this.json = true;
    const headers = errorHeaders(error, this.runtime.errorId(error));
    if (this.refused) headers.push(notProcessed, 'true');
    try {
      this.write(connectStatus(error), headers, JSON.stringify(connectErrorBody(error)));
    } catch {
      // Metadata that no header can carry must not cost the answer.
      this.response
        .writeHead(connectStatus(error), ['content-type', 'application/json'])
        .end(JSON.stringify(connectErrorBody(error)));
    }
  }

  protected watchCaller(): void {
    this.response.once('close', () => {
      if (!this.response.writableEnded)
        this.abort(new MicroError('canceled', 'the caller went away', { id: this.runtime.name }));
    });
  }

  private send(body: string | Uint8Array): void {
    this.write(200, [], body);
    if (!this.done) this.settle('ok');
  }

  private write(status: number, headers: string[], body: string | Uint8Array): void {
    const { response } = this;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    headers.push('content-type', this.json ? 'application/json' : 'application/proto', 'content-length', `${length}`);
    if (this.headersOut) pushHeaders(headers, this.headersOut);
    if (this.trailersOut) pushHeaders(headers, this.trailersOut, 'trailer-');
    if (this.runtime.closing) response.shouldKeepAlive = false;
    response.writeHead(status, headers);
    response.end(body);
  }
}

export interface Exchange {
  readonly request: IncomingMessage | PlainRequest;
  readonly response: HttpResponse;
}

function jsonOf(body: Buffer): JsonValue {
  if (body.length === 0) return {};
  if (!isUtf8(body)) throw new MicroError('invalid_argument', 'the message is not valid UTF-8');
  return parseJson(body.toString('utf8'));
}

function unknownEncoding(encoding: string): MicroError {
  return new MicroError(
    'unimplemented',
    `compression ${JSON.stringify(encoding.slice(0, 100))} is not supported: use ${encodings.join(', ')}`,
  );
}
