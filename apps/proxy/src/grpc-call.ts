import { MicroError } from '@micro/errors';
import {
  encodeFrame,
  encodeStatus,
  encodeStatusMessage,
  type Frame,
  FrameReader,
  type Http2Stream,
  parseTimeout,
} from '@micro/rpc';

/** One call of a gRPC client: its messages and answer as bytes. Nothing is decoded. Headers are flat lists: name, value, name, value … */
export class GrpcCall {
  readonly path: string;
  readonly headers: readonly string[];
  readonly #stream: Http2Stream;
  readonly #reader: FrameReader;
  readonly #frames: Frame[] = [];
  /** Bytes that are given back to the client's window when the messages in them have been taken. */
  #held = 0;
  #ended = false;
  #failure: MicroError | undefined;
  #read = nothing;
  #drained = nothing;
  #canceled = nothing;

  constructor(stream: Http2Stream, limit: number) {
    this.#stream = stream;
    this.#reader = new FrameReader(limit);
    this.headers = stream.headers;
    this.path = stream.header(':path') ?? '';
    stream.listener = {
      data: (bytes) => this.#receive(bytes),
      end: () => {
        this.#ended = true;
        this.#read();
      },
      drained: () => this.#drained(),
      closed: (complete) => {
        this.#failure ??= new MicroError('canceled', 'the caller has gone', { id: 'proxy' });
        this.#read();
        this.#drained();
        if (!complete) this.#canceled();
      },
    };
  }

  header(name: string): string | undefined {
    return this.#stream.header(name);
  }

  /** What the client allows for the call; undefined without a limit. MicroError `invalid_argument` if it is malformed. */
  timeoutMs(): number | undefined {
    const header = this.header('grpc-timeout');
    if (header === undefined) return undefined;
    const timeout = parseTimeout(header);
    if (timeout === undefined)
      throw new MicroError('invalid_argument', 'malformed grpc-timeout: up to eight digits and one of H M S m u n', {
        id: 'proxy',
      });
    return timeout;
  }

  /** Runs once when the client goes away or cancels before the answer is complete. */
  onCancel(listener: () => void): void {
    this.#canceled = listener;
  }

  /**
   * The only message of a unary call, once the client has sent all; or why there is none. Returns what ends the wait with an error of its
   * own.
   */
  readUnary(done: (frame: Frame) => void, failed: (error: MicroError) => void): (error: MicroError) => void {
    this.#read = () => {
      const failure = this.#failure ?? this.#unaryFault();
      if (!failure && !this.#ended) return;
      this.#read = nothing;
      if (failure) failed(failure);
      else done(this.#take() as Frame);
    };
    // What has come already is looked at only when the caller knows how to end the wait.
    queueMicrotask(() => this.#read());
    return (error) => {
      this.#failure ??= error;
      this.#read();
    };
  }

  /** Each message as it comes; reading slowly slows the client down. */
  async *messages(): AsyncGenerator<Frame> {
    for (;;) {
      const frame = this.#take();
      if (frame) yield frame;
      else if (this.#failure) throw this.#failure;
      else if (this.#ended) break;
      else await new Promise<void>((resolve) => (this.#read = resolve));
    }
    if (this.#reader.incomplete)
      throw new MicroError('invalid_argument', 'the request ended in the middle of a message', { id: 'proxy' });
  }

  /** The whole answer of a unary call at once. */
  answer(
    headers: readonly string[],
    frame: { compressed: boolean; message: Uint8Array },
    trailers: readonly string[],
  ): void {
    this.#stream.answer([...head, ...headers], encodeFrame(frame), ['grpc-status', '0', ...trailers]);
  }

  sendHeaders(headers: readonly string[]): void {
    this.#stream.respond([...head, ...headers]);
  }

  /** Resolves when the client can take more. */
  sendMessage(frame: { compressed: boolean; message: Uint8Array }): Promise<void> | undefined {
    this.sendHeaders([]);
    if (this.#stream.over || this.#stream.write(encodeFrame(frame))) return undefined;
    return new Promise((resolve) => (this.#drained = resolve));
  }

  /** Ends a streamed answer that succeeded. */
  finish(trailers: readonly string[]): void {
    this.sendHeaders([]);
    this.#stream.end(['grpc-status', '0', ...trailers]);
  }

  /** Ends the call with a status; headers and messages that were sent stay. */
  fail(error: MicroError, headers: readonly string[] = [], trailers: readonly string[] = []): void {
    const status = [...statusOf(error), ...trailers];
    if (this.#stream.answered) this.#stream.end(status);
    else this.#stream.respond([...head, ...headers, ...status], { end: true });
  }

  #receive(bytes: Buffer): void {
    this.#held += bytes.length;
    if (this.#failure) return this.#giveBack();
    try {
      this.#reader.push(bytes, (frame) => this.#frames.push(frame));
    } catch (error) {
      this.#failure = MicroError.from(error, 'proxy');
    }
    this.#giveBack();
    this.#read();
  }

  #take(): Frame | undefined {
    const frame = this.#frames.shift();
    this.#giveBack();
    return frame;
  }

  /** Of what waits nothing; a message that is not complete must be let in, however long it is. */
  #giveBack(): void {
    if (this.#frames.length > 0) return;
    this.#stream.consumed(this.#held);
    this.#held = 0;
  }

  #unaryFault(): MicroError | undefined {
    if (this.#frames.length > 1)
      return new MicroError('unimplemented', 'a unary call has one request message; more were sent', { id: 'proxy' });
    if (!this.#ended || (this.#frames.length === 1 && !this.#reader.incomplete)) return undefined;
    return new MicroError('unimplemented', 'a unary call has one request message; it ended without one', {
      id: 'proxy',
    });
  }
}

function nothing(): void {}

const head = [':status', '200', 'content-type', 'application/grpc+proto'];

function statusOf(error: MicroError): string[] {
  const status = [
    'grpc-status',
    String(error.grpcStatus),
    'grpc-message',
    encodeStatusMessage(error.detail),
    'micro-error-id',
    error.id.replace(/[^\x20-\x7e]/g, '?'),
  ];
  if (error.details.length > 0)
    status.push('grpc-status-details-bin', encodeStatus(error).toString('base64').replace(/=+$/, ''));
  return status;
}
