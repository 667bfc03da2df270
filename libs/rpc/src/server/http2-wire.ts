import type { OutgoingHttpHeaders } from 'node:http2';
import type { Metadata, ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { MicroError } from '@micro/errors';
import { encodeStatusMessage, type Frame, FrameReader } from '../grpc-frames.js';
import type { Http2Stream } from '../http2/stream.js';
import type { MessageFrames } from './grpc-call.js';

const prefixLength = 5;

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0];
type Status = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];

/** One gRPC call on our own HTTP/2, for a GrpcCall: what grpc-js does on the other lane. */
export class Http2Wire implements ServerInterceptingCallInterface, MessageFrames {
  readonly #stream: Http2Stream;
  readonly #peer: string;
  readonly #reader: FrameReader;
  /** Messages that nobody has asked for yet. */
  readonly #frames: Frame[] = [];
  readonly #flags: boolean[] = [];
  /** Bytes that are given back to the client's window when the messages in them have been taken. */
  #held = 0;
  #wanted = false;
  #ended = false;
  #halfClosed = false;
  #exceeded: () => void = () => undefined;
  #drained: (() => void) | undefined;
  #read: () => void = () => undefined;
  /** Whether the caller has broken it off. */
  aborted = false;

  constructor(stream: Http2Stream, { peer, messageBytes }: { readonly peer: string; readonly messageBytes: number }) {
    this.#stream = stream;
    this.#peer = peer;
    this.#reader = new FrameReader(messageBytes);
  }

  start(listener: Listener): void {
    this.#stream.listener = {
      data: (bytes) => this.#receive(bytes, listener),
      end: () => {
        this.#ended = true;
        this.#deliver(listener);
      },
      drained: () => this.#drained?.(),
      closed: (complete) => {
        this.aborted = !complete;
        if (!complete) listener.onCancel();
        this.#drained?.();
      },
    };
    this.#read = () => this.#deliver(listener);
    listener.onReceiveMetadata(undefined as unknown as Metadata);
  }

  startRead(): void {
    this.#wanted = true;
    this.#read();
  }

  watch(_limit: number, exceeded: () => void): void {
    this.#exceeded = exceeded;
  }

  take(): boolean {
    return this.#flags.shift() ?? false;
  }

  get complete(): boolean {
    return !this.#reader.incomplete;
  }

  sendMetadata(metadata: Metadata): void {
    this.#stream.respond([...head, ...flat(metadata as unknown as OutgoingHttpHeaders)]);
  }

  sendMessage(message: Buffer, done: () => void): void {
    const frame = Buffer.allocUnsafe(prefixLength + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame[0] = 0;
    // A compressed message says so when it is copied.
    message.copy(frame, prefixLength);
    if (this.#stream.over || this.#stream.write(frame)) return done();
    this.#drained = () => {
      this.#drained = undefined;
      done();
    };
  }

  sendStatus({ code, details, metadata }: Status): void {
    const trailers = ['grpc-status', String(code ?? 0)];
    if (details) trailers.push('grpc-message', encodeStatusMessage(details));
    trailers.push(...flat((metadata ?? {}) as unknown as OutgoingHttpHeaders));
    if (this.#stream.answered) this.#stream.end(trailers);
    else this.#stream.respond([...head, ...trailers], { end: true });
  }

  getPeer(): string {
    return this.#peer;
  }

  getDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }

  getHost(): string {
    return this.#stream.header(':authority') ?? '';
  }

  getAuthContext(): object {
    return {};
  }

  getConnectionInfo(): object {
    return {};
  }

  getMetricsRecorder(): never {
    throw new MicroError('unimplemented', 'metrics are kept elsewhere');
  }

  #receive(bytes: Buffer, listener: Listener): void {
    this.#held += bytes.length;
    try {
      this.#reader.push(bytes, (frame) => this.#frames.push(frame));
    } catch {
      return this.#exceeded();
    }
    this.#giveBack();
    this.#deliver(listener);
  }

  #deliver(listener: Listener): void {
    if (!this.#wanted) return;
    const frame = this.#frames.shift();
    if (frame) {
      this.#wanted = false;
      this.#flags.push(frame.compressed);
      this.#giveBack();
      listener.onReceiveMessage(frame.message);
    } else if (this.#ended && !this.#halfClosed) {
      this.#halfClosed = true;
      listener.onReceiveHalfClose();
    }
  }

  /** A message that is not complete must be let in, however long it is. */
  #giveBack(): void {
    if (this.#frames.length > 0) return;
    this.#stream.consumed(this.#held);
    this.#held = 0;
  }
}

const head = [':status', '200', 'content-type', 'application/grpc+proto'];

/** Headers as Node's HTTP/2 takes them, as a flat list. */
export function flat(headers: OutgoingHttpHeaders): string[] {
  const list: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) for (const one of [value].flat()) list.push(name, String(one));
  }
  return list;
}
