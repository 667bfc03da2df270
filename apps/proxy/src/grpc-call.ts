import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { MicroError } from '@micro/errors';
import { encodeStatus, parseTimeout } from '@micro/rpc';
import { encodeFrame, encodeStatusMessage, type Frame, FrameReader } from './grpc-frames.js';

/** gRPC has no use for the date, and making headers of a stream is a good part of what it costs. */
const withTrailers = { waitForTrailers: true, sendDate: false };

/** One call of a gRPC client: its messages and answer as bytes. Nothing is decoded. */
export class GrpcCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;
  readonly #limit: number;
  #answered = false;
  #ended = false;

  /** `limit`: bytes of one message. */
  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, limit: number) {
    this.#stream = stream;
    // A client that resets the stream with an error of its own; what there is to do then `onCancel` does.
    stream.on('error', nothing);
    this.#limit = limit;
    this.headers = headers;
    this.path = headers[':path'] ?? '';
  }

  /** What the client allows for the call; undefined without a limit. MicroError `invalid_argument` if it is malformed. */
  timeoutMs(): number | undefined {
    const header = this.headers['grpc-timeout'];
    if (header === undefined) return undefined;
    const timeout = parseTimeout(String(header));
    if (timeout === undefined) throw new MicroError('invalid_argument', 'malformed grpc-timeout: up to eight digits and one of H M S m u n', { id: 'proxy' });
    return timeout;
  }

  /** Runs once when the client goes away or cancels before the answer is complete. */
  onCancel(listener: () => void): void {
    this.#stream.once('close', () => {
      if (!this.#stream.writableFinished) listener();
    });
  }

  /** The only message of a unary call, once the client has sent all. Returns the way to stop waiting for it, with an error. */
  readUnary(done: (frame: Frame) => void, failed: (error: MicroError) => void): (error: unknown) => void {
    const reader = new FrameReader(this.#limit);
    let frame: Frame | undefined;
    const take = (next: Frame) => {
      if (frame) throw new MicroError('unimplemented', 'a unary call has one request message; more were sent', { id: 'proxy' });
      frame = next;
    };
    const stop = (error: unknown) => {
      this.#stream.removeAllListeners('data').removeAllListeners('end');
      failed(MicroError.from(error, 'proxy'));
    };
    this.#stream.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk, take);
      } catch (error) {
        stop(error);
      }
    });
    this.#stream.on('end', () => {
      try {
        if (!frame || reader.incomplete) throw new MicroError('unimplemented', 'a unary call has one request message; it ended without one', { id: 'proxy' });
        done(frame);
      } catch (error) {
        stop(error);
      }
    });
    return stop;
  }

  /** Each message as it comes; reading slowly slows the client down. */
  async *messages(): AsyncGenerator<Frame> {
    const reader = new FrameReader(this.#limit);
    for await (const chunk of this.#stream) {
      const frames: Frame[] = [];
      reader.push(chunk as Buffer, (frame) => frames.push(frame));
      yield* frames;
    }
    if (reader.incomplete) throw new MicroError('invalid_argument', 'the request ended in the middle of a message', { id: 'proxy' });
  }

  /** The whole answer of a unary call at once. */
  answer(headers: OutgoingHttpHeaders, frame: { compressed: boolean; message: Uint8Array }, trailers: OutgoingHttpHeaders): void {
    if (!this.#begin(headers)) return;
    this.#trailWith(trailers);
    this.#stream.end(encodeFrame(frame));
  }

  /** False if the call is over. */
  sendHeaders(headers: OutgoingHttpHeaders): boolean {
    return this.#begin(headers);
  }

  /** Resolves when the client can take more. */
  sendMessage(frame: { compressed: boolean; message: Uint8Array }): Promise<void> | undefined {
    if (this.#ended || this.#stream.destroyed || this.#stream.write(encodeFrame(frame))) return undefined;
    return new Promise((resolve) => {
      const go = () => {
        this.#stream.off('drain', go).off('close', go);
        resolve();
      };
      this.#stream.on('drain', go).on('close', go);
    });
  }

  /** Ends a streamed answer that succeeded. */
  finish(trailers: OutgoingHttpHeaders): void {
    if (!this.#begin({})) return;
    this.#trailWith(trailers);
    this.#stream.end();
  }

  /** Ends the call with a status; headers and messages that were sent stay. */
  fail(error: MicroError, headers: OutgoingHttpHeaders = {}, trailers: OutgoingHttpHeaders = {}): void {
    if (this.#ended || this.#stream.destroyed) return;
    const status = statusOf(error);
    if (this.#answered) {
      this.#trailWith({ ...trailers, ...status });
      this.#stream.end();
      return;
    }
    this.#ended = true;
    try {
      this.#stream.respond({ ...headers, ...trailers, ...onlyStatus, ...status }, { endStream: true });
    } catch {
      this.#stream.respond({ ...onlyStatus, ...status }, { endStream: true });
    }
    // The rest of the request is read and dropped: unread it would take up the window of the whole connection.
    if (!this.#stream.readableEnded) this.#stream.resume();
  }

  #begin(headers: OutgoingHttpHeaders): boolean {
    if (this.#ended || this.#stream.destroyed) return false;
    if (this.#answered) return true;
    headers[':status'] = 200;
    headers['content-type'] = 'application/grpc+proto';
    try {
      this.#stream.respond(headers, withTrailers);
    } catch (error) {
      this.fail(unspeakable(error));
      return false;
    }
    this.#answered = true;
    return true;
  }

  #trailWith(trailers: OutgoingHttpHeaders): void {
    this.#ended = true;
    trailers['grpc-status'] ??= '0';
    this.#stream.on('wantTrailers', () => {
      if (this.#stream.destroyed) return;
      try {
        this.#stream.sendTrailers(trailers);
      } catch (error) {
        this.#stream.sendTrailers(statusOf(unspeakable(error)));
      }
    });
  }
}

const onlyStatus: OutgoingHttpHeaders = { ':status': 200, 'content-type': 'application/grpc+proto' };

function nothing(): void {}

/** HTTP/1.1 lets a node say what HTTP/2 does not, such as two etags. */
function unspeakable(cause: unknown): MicroError {
  return new MicroError('internal', 'the service answered with headers that HTTP/2 cannot carry', { id: 'proxy', cause });
}

function statusOf(error: MicroError): OutgoingHttpHeaders {
  return {
    'grpc-status': String(error.grpcStatus),
    'grpc-message': encodeStatusMessage(error.detail),
    'micro-error-id': /^[\x20-\x7e]*$/.test(error.id) ? error.id : encodeURIComponent(error.id),
    ...(error.details.length > 0 ? { 'grpc-status-details-bin': encodeStatus(error).toString('base64').replace(/=+$/, '') } : {}),
  };
}
