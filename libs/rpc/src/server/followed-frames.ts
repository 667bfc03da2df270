import type { ServerHttp2Stream } from 'node:http2';
import type { MessageFrames } from './grpc-call.js';

const prefixLength = 5;

/**
 * Follows the length-prefixed messages of a request (gRPC over HTTP/2, "Length-Prefixed-Message") beside grpc-js, which splits them: for their
 * compressed flag, for a message longer than allowed, and for one cut short, about all of which it says nothing.
 */
export class FollowedFrames implements MessageFrames {
  readonly #stream: ServerHttp2Stream;
  readonly #flags: boolean[] = [];
  #prefixRead = 0;
  #flag = 0;
  #length = 0;
  /** Bytes of the current message that are still to come. */
  #left = 0;
  #exceeded = false;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  /** Calls `exceeded` at the prefix of a message of more than `limit` bytes. */
  watch(limit: number, exceeded: () => void): void {
    // Before the listener of grpc-js, which would answer with an error of its own.
    this.#stream.prependListener('data', (chunk: Buffer) => {
      if (!this.#exceeded && !this.#follow(chunk, limit)) exceeded();
    });
  }

  /** Whether the next message is compressed. */
  take(): boolean {
    return this.#flags.shift() ?? false;
  }

  /** Whether the request ends where a message does. */
  get complete(): boolean {
    return this.#left === 0 && this.#prefixRead === 0;
  }

  #follow(chunk: Buffer, limit: number): boolean {
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, chunk.length - at);
        this.#left -= skipped;
        at += skipped;
        continue;
      }
      const byte = chunk[at++] as number;
      if (this.#prefixRead++ === 0) {
        this.#flag = byte;
        this.#length = 0;
        continue;
      }
      this.#length = this.#length * 256 + byte;
      if (this.#prefixRead < prefixLength) continue;
      this.#prefixRead = 0;
      this.#left = this.#length;
      this.#flags.push(this.#flag !== 0);
      if (this.#left > limit) {
        this.#exceeded = true;
        return false;
      }
    }
    return true;
  }
}
