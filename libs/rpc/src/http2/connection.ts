import type { Duplex } from 'node:stream';
import {
  ConnectionError,
  defaultWindow,
  encodeFrame,
  encodeGoaway,
  encodeNumber,
  encodeSettings,
  errorCode,
  flag,
  frameHeaderBytes,
  frameType,
  largestWindow,
  maxPayloadBytes,
  setting,
  StreamError,
  withoutPadding,
} from './frames.js';
import { CompressionError, HpackDecoder, tooLarge } from './hpack.js';
import { checkRequest, checkTrailers } from './request-headers.js';
import { Http2Stream, type StreamOwner } from './stream.js';

export interface Http2Options {
  /** Takes a request. It must set the stream's listener before it returns. */
  readonly request: (stream: Http2Stream) => void;
  /** A request that was taken is over. */
  readonly over?: () => void;
  /** Refuses a request whose headers are too large; they are not kept. */
  readonly tooLarge: (stream: Http2Stream) => void;
  /** Bytes of the headers of a request at most (RFC 9113, section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE). */
  readonly headerBytes: number;
  /** Milliseconds of silence after which the client is asked whether it is there, and that it has to answer. */
  readonly pingAfterMs: number;
  readonly pingTimeoutMs: number;
  /** Called once, when the connection is over; with the reason if it broke the protocol. */
  readonly closed: (reason: string | undefined) => void;
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Requests under way on one connection at most. */
const maxStreams = 1_000;
/** Bytes of a request's body that a client may send ahead of who reads it. */
const streamWindow = 256 * 1024;
/** Of all requests of a connection together; each is held to its own window, so that a slow one does not hold up the others. */
const connectionWindow = 16 * 1024 * 1024;
/** Bytes that wait to be taken by the socket from which on data waits in its stream, and from which on no more requests are read. */
const socketFull = 256 * 1024;
const socketOverfull = 1024 * 1024;
/** Streams that ended lately, whose last frames may still be on their way. */
const remembered = 1_000;
/** Frames that cost us work and the client none, which it may send at once, and in each second after that: more than that is an attack. */
const nuisance = { burst: 2_000, perSecond: 200 };
/** Milliseconds that the client has to read the last frames. */
const lingerMs = 1_000;

const nothing: Buffer = Buffer.alloc(0);

interface Block {
  readonly stream: number;
  readonly endStream: boolean;
  readonly pieces: Buffer[];
  size: number;
}

/**
 * The server's side of one HTTP/2 connection (RFC 9113) without TLS or on a socket that has it: frames, flow control and streams, for gRPC.
 * Has no push and no priorities, keeps no table for the headers that it sends. Written for calls of a few hundred bytes by the ten thousand a
 * second: a request is handed over when its headers are there, what one event of the socket brings goes out with one write.
 */
export class Http2Connection implements StreamOwner {
  /** As the client allows; never more than what everybody understands. */
  readonly maxPayload = maxPayloadBytes;
  readonly #socket: Duplex;
  readonly #options: Http2Options;
  readonly #hpack: HpackDecoder;
  readonly #streams = new Map<number, Http2Stream>();
  /** Ended lately; whether we were first, so that more may come. */
  readonly #ended = new Map<number, boolean>();
  readonly #waiting = new Set<Http2Stream>();
  #pending: Buffer = nothing;
  #state: 'preface' | 'settings' | 'open' | 'draining' | 'closed' = 'preface';
  #lastStream = 0;
  #block: Block | undefined;
  #sendWindow = defaultWindow;
  #receiveWindow = connectionWindow;
  /** Of streams to come. */
  #initialWindow = defaultWindow;
  #out: Buffer[] = [];
  #outBytes = 0;
  #scheduled = false;
  #reading = false;
  #patience = nuisance.burst;
  #patienceAt = performance.now();
  #heardAt = performance.now();
  #asked = false;
  readonly #watch: NodeJS.Timeout;
  #reason: string | undefined;

  constructor(socket: Duplex, options: Http2Options) {
    this.#socket = socket;
    this.#options = options;
    this.#hpack = new HpackDecoder({ listBytes: options.headerBytes });
    this.#watch = setInterval(() => this.#listen(), Math.min(options.pingAfterMs, options.pingTimeoutMs)).unref();
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('drain', () => {
      socket.resume();
      this.#flushStreams();
    });
    socket.on('error', () => undefined);
    socket.once('end', () => socket.destroy());
    socket.once('close', () => this.#closed());
    this.send(
      Buffer.concat([
        encodeSettings([
          [setting.maxConcurrentStreams, maxStreams],
          [setting.initialWindowSize, streamWindow],
          [setting.maxHeaderListSize, options.headerBytes],
        ]),
        encodeNumber(frameType.windowUpdate, 0, connectionWindow - defaultWindow),
      ]),
    );
  }

  /** Whether a request was ever made. */
  get used(): boolean {
    return this.#lastStream > 0;
  }

  /** Takes no more requests, and closes with the last that is under way. */
  drain(): void {
    if (this.#state === 'closed' || this.#state === 'draining') return;
    this.#state = 'draining';
    this.send(encodeGoaway(this.#lastStream, errorCode.none, ''));
    this.#endIfDrained();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** @internal */
  sendable(): number {
    return this.#socket.writableLength + this.#outBytes >= socketFull ? 0 : this.#sendWindow;
  }

  /** @internal */
  spend(bytes: number): void {
    this.#sendWindow -= bytes;
  }

  /** @internal Goes out with whatever else is written until the next turn of the event loop. */
  send(frames: Buffer): void {
    this.#out.push(frames);
    this.#outBytes += frames.length;
    if (this.#scheduled || this.#reading) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** @internal */
  enlarge(stream: Http2Stream, bytes: number): void {
    this.send(encodeNumber(frameType.windowUpdate, stream.id, bytes));
  }

  /** @internal */
  waiting(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }

  /** @internal */
  closed(stream: Http2Stream): void {
    this.#forget(stream, false);
    stream.close(true);
  }

  /** @internal */
  reset(stream: Http2Stream, code: number): void {
    this.send(encodeNumber(frameType.rstStream, stream.id, code));
    this.#forget(stream, true);
    stream.close(code === errorCode.none);
  }

  /** @internal */
  gone(): void {
    this.#options.over?.();
  }

  #forget(stream: Http2Stream, first: boolean): void {
    this.#streams.delete(stream.id);
    this.#waiting.delete(stream);
    this.#remember(stream.id, first);
    this.#endIfDrained();
  }

  #remember(id: number, first: boolean): void {
    this.#ended.set(id, first);
    if (this.#ended.size <= remembered) return;
    const [oldest] = this.#ended.keys();
    this.#ended.delete(oldest as number);
  }

  #endIfDrained(): void {
    if (this.#state !== 'draining' || this.#streams.size > 0) return;
    this.#flush();
    this.#hangUp();
  }

  #flush(): void {
    const frames = this.#out;
    if (frames.length === 0) return;
    this.#out = [];
    this.#outBytes = 0;
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
    // A client that asks, and does not read the answers.
    if (this.#socket.writableLength > socketOverfull) this.#socket.pause();
  }

  #flushStreams(): void {
    for (const stream of [...this.#waiting]) {
      if (this.sendable() <= 0) return;
      this.#waiting.delete(stream);
      stream.flush();
      if (!stream.pending) stream.listener?.drained?.();
    }
  }

  #read(bytes: Buffer): void {
    if (this.#state === 'closed') return;
    this.#heardAt = performance.now();
    this.#asked = false;
    this.#reading = true;
    try {
      this.#take(this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]));
    } catch (error) {
      this.#fail(error as Error);
    }
    this.#reading = false;
    this.#flush();
  }

  #take(bytes: Buffer): void {
    let at = this.#state === 'preface' ? this.#readPreface(bytes) : 0;
    if (at < 0) return;
    while (bytes.length - at >= frameHeaderBytes && !this.#isClosed()) {
      const length = bytes.readUIntBE(at, 3);
      if (length > maxPayloadBytes) throw new ConnectionError(errorCode.frameSize, `a frame of ${length} bytes`);
      const from = at + frameHeaderBytes;
      if (bytes.length < from + length) break;
      this.#frame(
        bytes[at + 3] as number,
        bytes[at + 4] as number,
        bytes.readUInt32BE(at + 5) & 0x7fffffff,
        bytes.subarray(from, from + length),
      );
      at = from + length;
    }
    this.#pending = at < bytes.length ? bytes.subarray(at) : nothing;
  }

  /** Where the frames begin; -1 if the preface is not complete. */
  #readPreface(bytes: Buffer): number {
    const length = Math.min(bytes.length, preface.length);
    if (preface.compare(bytes, 0, length, 0, length) !== 0)
      throw new ConnectionError(errorCode.protocol, 'the preface of HTTP/2 is missing');
    this.#pending = bytes;
    if (length < preface.length) return -1;
    this.#state = 'settings';
    return length;
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.#state === 'settings') {
      if (type !== frameType.settings || (flags & flag.ack) !== 0)
        throw new ConnectionError(errorCode.protocol, 'SETTINGS do not come first');
      this.#state = 'open';
    }
    if (this.#block && (type !== frameType.continuation || id !== this.#block.stream)) {
      throw new ConnectionError(errorCode.protocol, 'a header block is interrupted');
    }
    try {
      this.#dispatch(type, flags, id, payload);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#bother();
      const stream = this.#streams.get(error.stream);
      if (stream) this.reset(stream, error.code);
      else this.send(encodeNumber(frameType.rstStream, error.stream, error.code));
    }
  }

  #dispatch(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case frameType.data:
        return this.#data(flags, id, payload);
      case frameType.headers:
        return this.#headers(flags, id, payload);
      case frameType.continuation:
        return this.#continuation(flags, payload);
      case frameType.priority:
        return this.#priority(id, payload);
      case frameType.rstStream:
        return this.#rstStream(id, payload);
      case frameType.settings:
        return this.#settings(flags, id, payload);
      case frameType.pushPromise:
        throw new ConnectionError(errorCode.protocol, 'a client pushes nothing');
      case frameType.ping:
        return this.#ping(flags, id, payload);
      case frameType.goaway:
        if (id !== 0) throw new ConnectionError(errorCode.protocol, 'GOAWAY on a stream');
        return;
      case frameType.windowUpdate:
        return this.#windowUpdate(id, payload);
      default:
        // Of an extension that we do not know.
        return this.#bother();
    }
  }

  #data(flags: number, id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionError(errorCode.protocol, 'DATA without a stream');
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) throw new ConnectionError(errorCode.flowControl, 'more data than the window allows');
    const stream = this.#streams.get(id);
    const content = withoutPadding(payload, flags);
    if (this.#receiveWindow < connectionWindow / 2) {
      this.send(encodeNumber(frameType.windowUpdate, 0, connectionWindow - this.#receiveWindow));
      this.#receiveWindow = connectionWindow;
    }
    if (!stream || stream.remoteEnded) return this.#late(id, 'DATA');
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) throw new StreamError(id, errorCode.flowControl, 'more data than the window allows');
    // Padding is nobody's to give back.
    if (payload.length > content.length) stream.consumed(payload.length - content.length);
    stream.received += content.length;
    const ended = (flags & flag.endStream) !== 0;
    this.#checkLength(stream, ended);
    if (content.length > 0) stream.listener?.data(content);
    else if (!ended) this.#bother();
    if (ended) this.#remoteEnded(stream);
  }

  #checkLength({ id, announced, received }: Http2Stream, ended: boolean): void {
    if (announced === undefined) return;
    if (received > announced || (ended && received < announced))
      throw new StreamError(id, errorCode.protocol, 'the body is not as long as announced');
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    if (id % 2 === 0) throw new ConnectionError(errorCode.protocol, `a client has no stream ${id}`);
    let fragment = withoutPadding(payload, flags);
    let dependsOnItself = false;
    if ((flags & flag.priority) !== 0) {
      if (fragment.length < 5) throw new ConnectionError(errorCode.frameSize, 'a priority is cut short');
      dependsOnItself = (fragment.readUInt32BE(0) & 0x7fffffff) === id;
      fragment = fragment.subarray(5);
    }
    this.#block = { stream: id, endStream: (flags & flag.endStream) !== 0, pieces: [], size: 0 };
    this.#fragment(fragment, flags);
    if (dependsOnItself) throw new StreamError(id, errorCode.protocol, 'a stream depends on itself');
  }

  #continuation(flags: number, payload: Buffer): void {
    if (!this.#block) throw new ConnectionError(errorCode.protocol, 'CONTINUATION without HEADERS');
    this.#bother();
    this.#fragment(payload, flags);
  }

  #fragment(bytes: Buffer, flags: number): void {
    const block = this.#block as Block;
    block.pieces.push(bytes);
    block.size += bytes.length;
    // A list that is somewhat too large is read to its end and refused by itself; one without end costs the connection.
    if (block.size > this.#options.headerBytes * 8)
      throw new ConnectionError(errorCode.enhanceYourCalm, 'a header block without end');
    if ((flags & flag.endHeaders) === 0) return;
    this.#block = undefined;
    this.#endOfBlock(block);
  }

  #endOfBlock({ stream: id, endStream, pieces }: Block): void {
    const headers = this.#hpack.decode(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces));
    const stream = this.#streams.get(id);
    if (stream) return this.#trailers(stream, headers, endStream);
    if (id <= this.#lastStream) return this.#late(id, 'HEADERS');
    this.#lastStream = id;
    if (this.#state !== 'open' || this.#streams.size >= maxStreams) {
      this.#bother();
      this.#remember(id, true);
      return this.send(encodeNumber(frameType.rstStream, id, errorCode.refusedStream));
    }
    const announced = headers === tooLarge ? undefined : checkRequest(id, headers);
    const request = {
      id,
      headers: headers === tooLarge ? [] : headers,
      announced,
      sendWindow: this.#initialWindow,
      receiveWindow: streamWindow,
    };
    const opened = new Http2Stream(this, request);
    this.#streams.set(id, opened);
    if (endStream) {
      opened.remoteEnded = true;
      this.#checkLength(opened, true);
    }
    if (headers === tooLarge) this.#options.tooLarge(opened);
    else this.#options.request(opened);
    if (endStream && !opened.over) opened.listener?.end();
  }

  /** The second block of a stream ends its request. What it says is not looked at: gRPC's clients have nothing to say there. */
  #trailers(stream: Http2Stream, headers: string[] | typeof tooLarge, endStream: boolean): void {
    if (stream.remoteEnded) return this.#late(stream.id, 'HEADERS');
    if (!endStream) throw new StreamError(stream.id, errorCode.protocol, 'trailers do not end the stream');
    if (headers !== tooLarge) checkTrailers(stream.id, headers);
    this.#checkLength(stream, true);
    this.#remoteEnded(stream);
  }

  #remoteEnded(stream: Http2Stream): void {
    stream.remoteEnded = true;
    stream.listener?.end();
  }

  /** Something came for a stream that has ended. */
  #late(id: number, what: 'DATA' | 'HEADERS'): void {
    if (this.#ended.get(id) === true) return this.#bother();
    if (id > this.#lastStream)
      throw new ConnectionError(errorCode.protocol, `${what} for stream ${id}, which was not opened`);
    const detail = `${what} for stream ${id}, which has ended`;
    if (this.#streams.has(id) || (this.#ended.has(id) && what === 'DATA'))
      throw new StreamError(id, errorCode.streamClosed, detail);
    if (this.#ended.has(id)) throw new ConnectionError(errorCode.streamClosed, detail);
    throw new ConnectionError(errorCode.protocol, `${what} for stream ${id}, which is older than the last`);
  }

  #priority(id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionError(errorCode.protocol, 'PRIORITY without a stream');
    if (payload.length !== 5) throw new StreamError(id, errorCode.frameSize, 'PRIORITY of a wrong size');
    if ((payload.readUInt32BE(0) & 0x7fffffff) === id)
      throw new StreamError(id, errorCode.protocol, 'a stream depends on itself');
    this.#bother();
  }

  #rstStream(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(errorCode.frameSize, 'RST_STREAM of a wrong size');
    if (id === 0 || id > this.#lastStream)
      throw new ConnectionError(errorCode.protocol, `RST_STREAM for stream ${id}, which was not opened`);
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#bother();
    this.#forget(stream, false);
    stream.close(false);
  }

  #settings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(errorCode.protocol, 'SETTINGS on a stream');
    if ((flags & flag.ack) !== 0) {
      if (payload.length > 0) throw new ConnectionError(errorCode.frameSize, 'an acknowledgement that says something');
      return;
    }
    if (payload.length % 6 !== 0) throw new ConnectionError(errorCode.frameSize, 'SETTINGS of a wrong size');
    this.#bother();
    for (let at = 0; at < payload.length; at += 6)
      this.#setting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    this.send(encodeFrame(frameType.settings, flag.ack, 0, nothing));
    this.#flushStreams();
  }

  #setting(id: number, value: number): void {
    if (id === setting.enablePush && value > 1)
      throw new ConnectionError(errorCode.protocol, `ENABLE_PUSH is ${value}`);
    if (id === setting.maxFrameSize && (value < maxPayloadBytes || value > 2 ** 24 - 1))
      throw new ConnectionError(errorCode.protocol, `MAX_FRAME_SIZE is ${value}`);
    if (id !== setting.initialWindowSize) return;
    if (value > largestWindow) throw new ConnectionError(errorCode.flowControl, `INITIAL_WINDOW_SIZE is ${value}`);
    const change = value - this.#initialWindow;
    this.#initialWindow = value;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > largestWindow)
        throw new ConnectionError(errorCode.flowControl, 'a window that is too large');
    }
  }

  #ping(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(errorCode.protocol, 'PING on a stream');
    if (payload.length !== 8) throw new ConnectionError(errorCode.frameSize, 'PING of a wrong size');
    if ((flags & flag.ack) !== 0) return;
    this.#bother();
    this.send(encodeFrame(frameType.ping, flag.ack, 0, payload));
  }

  #windowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(errorCode.frameSize, 'WINDOW_UPDATE of a wrong size');
    const bytes = payload.readUInt32BE(0) & 0x7fffffff;
    if (id === 0) {
      if (bytes === 0) throw new ConnectionError(errorCode.protocol, 'a window grows by nothing');
      this.#sendWindow += bytes;
      if (this.#sendWindow > largestWindow)
        throw new ConnectionError(errorCode.flowControl, 'a window that is too large');
      return this.#flushStreams();
    }
    const stream = this.#streams.get(id);
    if (!stream) {
      if (id > this.#lastStream)
        throw new ConnectionError(errorCode.protocol, `WINDOW_UPDATE for stream ${id}, which was not opened`);
      return;
    }
    if (bytes === 0) throw new StreamError(id, errorCode.protocol, 'a window grows by nothing');
    stream.sendWindow += bytes;
    if (stream.sendWindow > largestWindow)
      throw new StreamError(id, errorCode.flowControl, 'a window that is too large');
    if (this.#waiting.has(stream)) this.#flushStreams();
  }

  /** Counts a frame that costs us work and the client none. */
  #bother(): void {
    if (--this.#patience > 0) return;
    const now = performance.now();
    this.#patience = Math.min(nuisance.burst, Math.floor(((now - this.#patienceAt) / 1000) * nuisance.perSecond));
    this.#patienceAt = now;
    if (this.#patience <= 0)
      throw new ConnectionError(errorCode.enhanceYourCalm, 'too many frames that ask for nothing');
  }

  /** Asks a client that has been silent whether it is still there, and lets one go that is not. */
  #listen(): void {
    const silent = performance.now() - this.#heardAt;
    if (this.#asked && silent > this.#options.pingAfterMs + this.#options.pingTimeoutMs) {
      this.#reason ??= 'it answered no ping';
      return void this.#socket.destroy();
    }
    if (this.#asked || silent < this.#options.pingAfterMs) return;
    this.#asked = true;
    this.send(encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)));
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #fail(error: Error): void {
    const code =
      error instanceof ConnectionError
        ? error.code
        : error instanceof CompressionError
          ? errorCode.compression
          : errorCode.internal;
    this.#reason ??= error.message;
    this.#state = 'closed';
    this.send(encodeGoaway(this.#lastStream, code, error.message));
    this.#flush();
    this.#hangUp();
    for (const stream of [...this.#streams.values()]) stream.close(false);
    this.#streams.clear();
  }

  #hangUp(): void {
    this.#socket.end();
    // Closing at once would take the last frames away from a client that is still sending.
    setTimeout(() => this.#socket.destroy(), lingerMs).unref();
  }

  #closed(): void {
    clearInterval(this.#watch);
    this.#state = 'closed';
    for (const stream of [...this.#streams.values()]) stream.close(false);
    this.#streams.clear();
    this.#options.closed(this.#reason);
  }
}
