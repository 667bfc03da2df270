import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { type Code, MicroError } from '@micro/errors';
import { errorCode, flag } from '../http2/frames.js';
import { Metadata } from '../metadata.js';
import { gunzipped, tooLarge } from './connect-answer.js';
import { grpcMetadata, type GrpcOutcome, outcomeOf, valueOf } from './grpc-status.js';

const prefixLength = 5;

interface Frame {
  readonly compressed: boolean;
  readonly bytes: Buffer;
}

/**
 * One call over gRPC (PROTOCOL-HTTP2), of any kind, its messages as bytes. Written on node:http2 rather than on the client of grpc-js, which
 * throws away the messages that it has received but not yet handed out when an error status arrives (1.14: 20 of 200 got through to a reader
 * that was slower than the sender).
 *
 * Messages are handed out as they are asked for; the sender is slowed down once a message lies here unread.
 */
export class GrpcStream {
  /** Response headers; empty if the call ended without. Never rejects. */
  readonly headers: Promise<Metadata>;
  /** Never rejects. Known once all messages have been read, or at once if the call was canceled or broke off. */
  readonly outcome: Promise<GrpcOutcome>;
  /** Whether the node has answered anything. */
  answered = false;
  readonly #stream: ClientHttp2Stream;
  readonly #session: ClientHttp2Stream['session'];
  readonly #limit: number;
  /** In milliseconds of `performance.now()`. */
  readonly #deadline: number;
  readonly #frames: Frame[] = [];
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #expected: { readonly compressed: boolean; readonly length: number } | undefined;
  #reader: ((frame: Frame | undefined) => void) | undefined;
  #ended = false;
  #settled = false;
  #status = 200;
  #encoding: string | undefined;
  #received = new Metadata();
  #trailers: readonly string[] | undefined;
  #fault: Error | undefined;
  #resolveHeaders!: (headers: Metadata) => void;
  #resolveOutcome!: (outcome: GrpcOutcome) => void;

  constructor(
    stream: ClientHttp2Stream,
    { messageBytes, deadline }: { readonly messageBytes: number; readonly deadline: number },
  ) {
    this.#stream = stream;
    this.#session = stream.session;
    this.#limit = messageBytes;
    this.#deadline = deadline;
    this.headers = new Promise((resolve) => (this.#resolveHeaders = resolve));
    this.outcome = new Promise((resolve) => (this.#resolveOutcome = resolve));
    stream.on('response', (headers, flags, raw?: unknown) => this.#onHeaders(rawOf(headers, raw), flags));
    stream.on('trailers', (trailers, _flags, raw?: unknown) => {
      this.#trailers = rawOf(trailers, raw);
      if (this.#ended) this.#onEnd();
    });
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => this.#onEnd());
    stream.on('error', (error) => (this.#fault = error));
    stream.on('close', () => this.#onClose());
  }

  /** The next message; undefined after the last. To be asked for one at a time. */
  async read(): Promise<Uint8Array | undefined> {
    const frame = this.#frames.shift() ?? (await this.#nextFrame());
    if (this.#frames.length === 0 && !this.#ended) this.#stream.resume();
    if (!frame) return undefined;
    if (!frame.compressed) return frame.bytes;
    try {
      if (this.#encoding !== 'gzip')
        throw new MicroError(
          'internal',
          `the service sent a message compressed with ${this.#encoding ?? 'nothing that it named'}`,
        );
      return await gunzipped(frame.bytes, this.#limit);
    } catch (error) {
      this.cancel(MicroError.from(error));
      return undefined;
    }
  }

  /** Resolves when there is room for another message, or the call is over. */
  write(message: Uint8Array, compressed = false): Promise<void> {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableEnded) return Promise.resolve();
    const prefix = Buffer.allocUnsafe(prefixLength + (message.length <= 4096 ? message.length : 0));
    prefix.writeUInt8(compressed ? 1 : 0, 0);
    prefix.writeUInt32BE(message.length, 1);
    let room: boolean;
    if (message.length <= 4096) {
      prefix.set(message, prefixLength);
      room = stream.write(prefix);
    } else {
      stream.cork();
      stream.write(prefix);
      room = stream.write(message);
      stream.uncork();
    }
    if (room) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        stream.off('drain', done).off('close', done);
        resolve();
      };
      stream.on('drain', done).on('close', done);
    });
  }

  /** No more messages. */
  end(): void {
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end();
  }

  /** Breaks the call off; its outcome is `reason`, unless it had one. */
  cancel(reason: MicroError): void {
    this.#settle({ error: reason, trailers: new Metadata() });
    this.#stream.close(errorCode.cancel);
  }

  #nextFrame(): Promise<Frame | undefined> {
    if (this.#ended || this.#settled) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#reader = resolve;
      this.#stream.resume();
    });
  }

  #onHeaders(raw: readonly string[], flags: number): void {
    this.answered = true;
    this.#status = Number(valueOf(raw, ':status') ?? 0);
    const over = (flags & flag.endStream) !== 0;
    if (!over) this.#received = grpcMetadata(raw);
    const error = this.#unexpected(raw, over);
    if (error) return this.#break(error);
    if (over) this.#trailers = raw;
    else this.#resolveHeaders(this.#received);
  }

  /** Why response headers are not gRPC's, if they are not. */
  #unexpected(raw: readonly string[], over: boolean): MicroError | undefined {
    const status = valueOf(raw, 'grpc-status');
    if (this.#status !== 200 && !(over && status !== undefined))
      return outcomeOf([], this.#status, this.#received).error;
    const type = valueOf(raw, 'content-type') ?? '';
    if (!/^application\/grpc(\+proto)?(;|$)/.test(type)) {
      const code = type.startsWith('application/grpc') ? 'internal' : 'unknown';
      return new MicroError(
        code,
        `the service answered ${JSON.stringify(type)} instead of gRPC: is it a gRPC service?`,
      );
    }
    this.#encoding = valueOf(raw, 'grpc-encoding');
    if (this.#encoding === undefined || this.#encoding === 'gzip' || this.#encoding === 'identity') return undefined;
    return new MicroError(
      'internal',
      `the service compresses with ${JSON.stringify(this.#encoding)}, which was not asked for`,
    );
  }

  #onData(chunk: Buffer): void {
    if (this.#settled) return;
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    for (let frame = this.#takeFrame(); frame; frame = this.#takeFrame()) {
      if (this.#reader) this.#answerReader(frame);
      else this.#frames.push(frame);
    }
    if (this.#frames.length > 0) this.#stream.pause();
  }

  #takeFrame(): Frame | undefined {
    if (!this.#expected) {
      if (this.#pendingBytes < prefixLength) return undefined;
      const prefix = this.#take(prefixLength);
      this.#expected = { compressed: (prefix.readUInt8(0) & 1) === 1, length: prefix.readUInt32BE(1) };
      if (this.#expected.length > this.#limit) {
        this.cancel(tooLarge(this.#limit));
        return undefined;
      }
    }
    const { compressed, length } = this.#expected;
    if (this.#pendingBytes < length) return undefined;
    this.#expected = undefined;
    return { compressed, bytes: this.#take(length) };
  }

  #take(length: number): Buffer {
    const all =
      this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = all.length > length ? [all.subarray(length)] : [];
    this.#pendingBytes -= length;
    return all.subarray(0, length);
  }

  #answerReader(frame: Frame | undefined): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.(frame);
  }

  /** Everything has been received and handed on, or lies in `#frames`. */
  #onEnd(): void {
    this.#ended = true;
    if (this.#settled) return;
    if (this.#trailers) {
      const outcome = outcomeOf(this.#trailers, this.#status, this.#received);
      const cut = outcome.error === undefined && (this.#pendingBytes > 0 || this.#expected !== undefined);
      this.#settle(cut ? broken('the last message is incomplete', this.#received) : outcome);
      // A service may end the call before it has heard all of ours.
      if (!this.#stream.writableEnded) this.#stream.close(errorCode.cancel);
    }
  }

  #onClose(): void {
    this.#ended = true;
    if (this.#settled) return;
    if (this.#trailers) return this.#settle(outcomeOf(this.#trailers, this.#status, this.#received));
    this.#settle(this.#brokenOff());
  }

  /** The stream closed without a status. */
  #brokenOff(): GrpcOutcome {
    const { rstCode } = this.#stream;
    const trailers = new Metadata();
    const metadata = this.#received.toJSON();
    const error = (code: Code, detail: string) => new MicroError(code, detail, { metadata, cause: this.#fault });
    if (rstCode === errorCode.refusedStream)
      return { error: error('unavailable', 'the service refused the call'), trailers, refused: true };
    if (!this.#session || this.#session.destroyed) {
      return {
        error: error('unavailable', 'the connection to the service was lost during the call'),
        trailers,
        fault: 'reset',
      };
    }
    switch (rstCode) {
      case errorCode.none:
        return broken('the call ended without a gRPC status', this.#received);
      case errorCode.cancel:
        // The service may see the deadline pass an instant before we do; its whole milliseconds are rounded down.
        if (performance.now() >= this.#deadline - 2)
          return { error: error('deadline_exceeded', 'the deadline passed'), trailers };
        return { error: error('canceled', 'the service canceled the call'), trailers };
      case errorCode.enhanceYourCalm:
        return {
          error: error('resource_exhausted', 'the service has had too much of us: call it less often'),
          trailers,
        };
      case errorCode.inadequateSecurity:
        return {
          error: error('permission_denied', 'the service does not take this connection for secure enough'),
          trailers,
        };
      default:
        return { error: error('internal', `the service reset the call with HTTP/2 error ${rstCode}`), trailers };
    }
  }

  /** What came is not gRPC. */
  #break(error: MicroError): void {
    this.#settle({ error, trailers: new Metadata() });
    this.#stream.close(errorCode.cancel);
  }

  #settle(outcome: GrpcOutcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#resolveHeaders(this.#received);
    this.#resolveOutcome(outcome);
    this.#answerReader(undefined);
  }
}

function broken(detail: string, headers: Metadata): GrpcOutcome {
  return {
    error: new MicroError('internal', detail, { metadata: headers.toJSON() }),
    trailers: new Metadata(),
    fault: 'malformed',
  };
}

/** Headers of a call, as node:http2 wants them. */
export function http2Headers(path: string, timeout: string | undefined, flat: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    ':method': 'POST',
    ':path': path,
    te: 'trailers',
    'content-type': 'application/grpc+proto',
    'grpc-accept-encoding': 'gzip',
  };
  if (timeout !== undefined) headers['grpc-timeout'] = timeout;
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index] as string;
    const value = flat[index + 1] as string;
    const present = headers[name];
    if (present === undefined) headers[name] = value;
    else headers[name] = Array.isArray(present) ? [...present, value] : [String(present), value];
  }
  return headers;
}

/** Node gives the headers as they came as an argument that it does not document; without it, repeated ones are joined. */
function rawOf(headers: IncomingHttpHeaders, raw: unknown): string[] {
  if (Array.isArray(raw)) return raw as string[];
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [String(value)]).flatMap((one) => [name, one]),
  );
}
