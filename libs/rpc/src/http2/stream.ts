import { encodeHeaders } from './hpack.js';
import {
  encodeFrame,
  encodeHeaderFrames,
  errorCode,
  flag,
  frameHeaderBytes,
  frameType,
  writeFrameHeader,
} from './frames.js';

/** What becomes of a request, told as it comes. */
export interface StreamListener {
  /** A piece of the body. To be given back by `consumed` once it is done with: until then the client is held to its window. */
  data(bytes: Buffer): void;
  /** The request is complete. */
  end(): void;
  /** Everything that was written has gone out: more may be written. */
  drained?(): void;
  /** The stream is over. `complete`: the answer was given, and nobody has broken the stream off. Called once. */
  closed(complete: boolean): void;
}

/** The connection, as its streams see it. */
export interface StreamOwner {
  /** Bytes that a frame's payload may have. */
  readonly maxPayload: number;
  /** Whether data may go out now: neither the connection's window nor its socket is full. */
  sendable(): number;
  /** Takes bytes of data off the connection's window. */
  spend(bytes: number): void;
  send(frames: Buffer): void;
  /** Tells the client that it may send so many more bytes. */
  enlarge(stream: Http2Stream, bytes: number): void;
  /** Something waits for a window or the socket. */
  waiting(stream: Http2Stream): void;
  /** It is over on both sides, or was broken off. */
  closed(stream: Http2Stream): void;
  reset(stream: Http2Stream, code: number): void;
  /** A stream has closed, for whatever reason. */
  gone(): void;
}

const nothing = Buffer.alloc(0);

/** One request and its answer, on the server's side. Headers are flat lists: name, value, name, value …, names in lower case. */
export class Http2Stream {
  readonly id: number;
  readonly headers: readonly string[];
  listener: StreamListener | undefined;
  /** Bytes that may be sent; less than nothing after the client has made its window smaller. */
  sendWindow: number;
  /** Bytes that the client may send. */
  receiveWindow: number;
  /** Bytes of the body that have come, and that were announced. */
  received = 0;
  readonly announced: number | undefined;
  /** The client has sent all of its request. */
  remoteEnded = false;
  #localEnded = false;
  #closed = false;
  #answered = false;
  readonly #owner: StreamOwner;
  readonly #window: number;
  #unconsumed = 0;
  /** Data that waits for a window, and what comes after it. */
  #queue: Buffer[] = [];
  #queued = 0;
  #ending: { readonly trailers: Buffer | undefined } | undefined;

  constructor(
    owner: StreamOwner,
    request: {
      id: number;
      headers: readonly string[];
      announced: number | undefined;
      sendWindow: number;
      receiveWindow: number;
    },
  ) {
    this.#owner = owner;
    this.id = request.id;
    this.headers = request.headers;
    this.announced = request.announced;
    this.sendWindow = request.sendWindow;
    this.receiveWindow = request.receiveWindow;
    this.#window = request.receiveWindow;
  }

  /** Whether nothing can be sent any more. */
  get over(): boolean {
    return this.#closed || this.#localEnded;
  }

  /** Whether the answer has begun. */
  get answered(): boolean {
    return this.#answered;
  }

  header(name: string): string | undefined {
    for (let index = 0; index < this.headers.length; index += 2)
      if (this.headers[index] === name) return this.headers[index + 1];
    return undefined;
  }

  /** Begins the answer; with `end` it has no body. */
  respond(headers: readonly string[], { end = false } = {}): void {
    if (this.over || this.#answered) return;
    this.#answered = true;
    this.#owner.send(encodeHeaderFrames(this.id, encodeHeaders(headers), end, this.#owner.maxPayload));
    if (end) this.#ended();
  }

  /** Gives a whole answer: in one piece, if the windows allow it. */
  answer(headers: readonly string[], body: Uint8Array, trailers: readonly string[]): void {
    if (this.over || this.#answered) return;
    const [first, last] = [encodeHeaders(headers), encodeHeaders(trailers)];
    const { maxPayload } = this.#owner;
    const fits =
      first.length <= maxPayload &&
      last.length <= maxPayload &&
      body.length <= Math.min(maxPayload, this.sendWindow, this.#owner.sendable());
    if (!fits) {
      this.respond(headers);
      this.write(body);
      return this.end(trailers);
    }
    this.#answered = true;
    this.#spend(body.length);
    const frames = Buffer.allocUnsafe(3 * frameHeaderBytes + first.length + body.length + last.length);
    const stream = this.id;
    let at = writeFrameHeader(frames, 0, {
      type: frameType.headers,
      flags: flag.endHeaders,
      stream,
      length: first.length,
    });
    frames.set(first, at);
    at = writeFrameHeader(frames, at + first.length, { type: frameType.data, flags: 0, stream, length: body.length });
    frames.set(body, at);
    at = writeFrameHeader(frames, at + body.length, {
      type: frameType.headers,
      flags: flag.endHeaders | flag.endStream,
      stream,
      length: last.length,
    });
    frames.set(last, at);
    this.#owner.send(frames);
    this.#ended();
  }

  /** Sends a piece of the body; false if it has to wait, until the listener is told `drained`. */
  write(bytes: Uint8Array): boolean {
    if (this.over || this.#ending) return true;
    this.#queue.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#queued += bytes.length;
    this.flush();
    return this.#queued === 0;
  }

  /** Ends the answer, once all of its body has gone. */
  end(trailers?: readonly string[]): void {
    if (this.over || this.#ending) return;
    this.#ending = { trailers: trailers && encodeHeaders(trailers) };
    this.flush();
  }

  /** Breaks the stream off (RST_STREAM). */
  reset(code: number): void {
    if (!this.#closed) this.#owner.reset(this, code);
  }

  /** Gives back what `data` has handed over. */
  consumed(bytes: number): void {
    this.#unconsumed += bytes;
    if (this.#unconsumed * 2 < this.#window || this.remoteEnded || this.#closed) return;
    this.receiveWindow += this.#unconsumed;
    this.#owner.enlarge(this, this.#unconsumed);
    this.#unconsumed = 0;
  }

  /** @internal Sends what the windows allow. */
  flush(): void {
    while (this.#queued > 0) {
      const allowed = Math.min(this.sendWindow, this.#owner.sendable(), this.#owner.maxPayload);
      if (allowed <= 0) return this.#owner.waiting(this);
      this.#owner.send(encodeFrame(frameType.data, 0, this.id, this.#take(allowed)));
    }
    if (!this.#ending) return;
    const { trailers } = this.#ending;
    if (trailers) this.#owner.send(encodeHeaderFrames(this.id, trailers, true, this.#owner.maxPayload));
    else this.#owner.send(encodeFrame(frameType.data, flag.endStream, this.id, nothing));
    this.#ended();
  }

  /** @internal Whether data waits to be sent. */
  get pending(): boolean {
    return this.#queued > 0;
  }

  /** @internal It is over. */
  close(complete: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#queued = 0;
    this.#owner.gone();
    this.listener?.closed(complete);
  }

  /** The next so many bytes of what waits, at most. */
  #take(most: number): Buffer {
    const first = this.#queue[0] as Buffer;
    const taken = first.length <= most ? first : first.subarray(0, most);
    if (taken === first) this.#queue.shift();
    else this.#queue[0] = first.subarray(most);
    this.#queued -= taken.length;
    this.#spend(taken.length);
    return taken;
  }

  #spend(bytes: number): void {
    this.sendWindow -= bytes;
    this.#owner.spend(bytes);
  }

  #ended(): void {
    this.#localEnded = true;
    // What the client still sends is of no use to anybody: it is told to stop (RFC 9113, section 8.1).
    if (this.remoteEnded) this.#owner.closed(this);
    else this.#owner.reset(this, errorCode.none);
  }
}
