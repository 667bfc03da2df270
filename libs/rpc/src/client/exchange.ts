import type { MicroError } from '@micro/errors';

/** A request as it goes over the wire of the Connect lane. */
export interface RawRequest {
  readonly path: string;
  /** Flat: name, value, name, value … in lower case, without `content-length`. */
  readonly headers: string[];
  readonly body: Uint8Array;
}

/** What a node answered, whatever its status. */
export interface Answer {
  readonly status: number;
  /** Flat: name, value, name, value … in lower case, without those that concern the connection. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Set if the answer came over gRPC and is an error: `body` is then empty. */
  readonly error?: MicroError;
}

/** Gets the outcome of one exchange: exactly one of the two, once, unless it was canceled before. */
export interface ExchangeListener {
  answered(answer: Answer): void;
  /** No answer came. `sent`: bytes of the request may have reached the node. */
  failed(error: Error, sent: boolean): void;
}

/** One request under way to one node. */
export interface Exchange {
  /** Whether it still waits for a connection. */
  readonly waiting: boolean;
  /** Stops it; the listener is not called any more. */
  cancel(): void;
}

/** Value of a header of a flat list; undefined if it is not there. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) if (headers[index] === name) return headers[index + 1];
  return undefined;
}
