import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { Metadata as GrpcMetadata } from '@grpc/grpc-js';
import { MicroError } from '@micro/errors';
import { notProcessed } from '../connect-wire.js';
import { Http2Connection } from '../http2/connection.js';
import { errorCode } from '../http2/frames.js';
import type { Http2Stream } from '../http2/stream.js';
import type { BoundMethod, CallRuntime } from './call.js';
import { acceptedEncodings, isGrpc, problemOf, unimplemented } from './grpc-admission.js';
import { GrpcCall } from './grpc-call.js';
import { statusHeaders } from './grpc-wire.js';
import { flat, Http2Wire } from './http2-wire.js';

/** Takes an HTTP/2 request that is no call of a method served here. */
export type Http2Route = (stream: Http2Stream, peer: string) => void;

export interface Http2LaneOptions {
  readonly runtime: CallRuntime;
  /** Method by path. */
  readonly find: (path: string) => BoundMethod | undefined;
  readonly route: Http2Route;
}

/**
 * gRPC on our own HTTP/2, for those who pass calls on: at a fifth of the price of Node's, of which most is streams and emitters that nobody
 * here looks at. What the process serves itself (reflection, health) is answered as on the other lane.
 */
export class Http2Lane {
  readonly #options: Http2LaneOptions;
  readonly #connections = new Set<Http2Connection>();
  /** Requests under way on all of them. */
  #open = 0;

  constructor(options: Http2LaneOptions) {
    this.#options = options;
  }

  accept(socket: Socket): void {
    const { runtime } = this.#options;
    const { headerBytes, headersMs } = runtime.limits;
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const connection = new Http2Connection(socket, {
      request: (stream) => {
        this.#open++;
        this.#admit(stream, peer);
      },
      over: () => void this.#open--,
      tooLarge: (stream) => {
        this.#open++;
        stream.listener = ignored;
        const detail = `the headers are larger than ${headerBytes} bytes, the limit of ${runtime.name}`;
        refuse(stream, statusHeaders(new MicroError('resource_exhausted', detail, { id: runtime.name }), runtime));
      },
      headerBytes,
      pingAfterMs: headersMs * 3,
      pingTimeoutMs: headersMs,
      closed: (reason) => {
        this.#connections.delete(connection);
        // Only of a peer that never got as far as a call is it worth a line.
        if (reason !== undefined && !connection.used && !runtime.closing) {
          runtime.logger.warn('connection refused', {
            server: runtime.name,
            peer,
            detail: `this is not HTTP/2: ${reason}`,
          });
        }
      },
    });
    this.#connections.add(connection);
    socket.resume();
  }

  /** Tells every client to go elsewhere (GOAWAY); what has begun goes on. */
  drain(): void {
    for (const connection of this.#connections) connection.drain();
  }

  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  #admit(stream: Http2Stream, peer: string): void {
    const { runtime, find, route } = this.#options;
    stream.listener = ignored;
    const busy = runtime.refusal(this.#open - 1);
    if (busy) return refuse(stream, { ...statusHeaders(busy, runtime), [notProcessed]: 'true' });
    const path = stream.header(':path') as string;
    const bound = find(path);
    if (!bound) return route(stream, peer);
    if (stream.header(':method') !== 'POST') return stream.respond([':status', '405', 'allow', 'POST'], { end: true });
    if (!isGrpc(stream.header('content-type')))
      return stream.respond([':status', '415', 'accept-post', 'application/grpc'], { end: true });
    const headers = incoming(stream.headers);
    const problem = bound.handler ? problemOf(headers, runtime) : unimplemented(path, bound, runtime);
    if (problem) return refuse(stream, statusHeaders(problem, runtime));
    const wire = new Http2Wire(stream, { peer, messageBytes: runtime.limits.messageBytes });
    const wrap = (outgoing: OutgoingHttpHeaders) => outgoing as unknown as GrpcMetadata;
    const cut = () => stream.reset(errorCode.cancel);
    new GrpcCall(bound, runtime, { wire, frames: wire, headers, wrap, aborted: () => wire.aborted, cut }).start();
  }
}

const ignored = { data: () => undefined, end: () => undefined, closed: () => undefined };

function refuse(stream: Http2Stream, headers: OutgoingHttpHeaders): void {
  stream.respond(flat({ ...headers, ...acceptedEncodings }), { end: true });
}

/** Headers as Node's HTTP/2 gives them: those that come several times joined as HTTP says, cookies by semicolons. */
function incoming(list: readonly string[]): IncomingHttpHeaders {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index] as string;
    const value = list[index + 1] as string;
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  return headers;
}
