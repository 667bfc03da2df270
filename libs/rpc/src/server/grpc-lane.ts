import type {
  Http2Server,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Server, ServerInterceptingCallInterface, ServerMethodDefinition } from '@grpc/grpc-js';
import { MicroError } from '@micro/errors';
import type { BoundMethod, CallRuntime } from './call.js';
import { acceptedEncodings, isGrpc, problemOf, unimplemented } from './grpc-admission.js';
import { GrpcCall } from './grpc-call.js';
import { FollowedFrames } from './followed-frames.js';
import { statusHeaders } from './grpc-wire.js';
import { notProcessed } from '../connect-wire.js';

export interface GrpcLaneOptions {
  readonly runtime: CallRuntime;
  /** Method by path. */
  readonly find: (path: string) => BoundMethod | undefined;
}

interface Admitted {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly bound: BoundMethod;
}

/**
 * gRPC over HTTP/2 on grpc-js, which frames messages and writes status. Calls reach us through its interceptors, before it would make streams
 * and emitters of them. What it does not look at (method, content type, encodings, frames cut short) is looked at in the HTTP/2 stream.
 */
export class GrpcLane {
  readonly #options: GrpcLaneOptions;
  readonly #server: Server;
  readonly #inject: (socket: Socket) => void;
  readonly #sessions = new Map<ServerHttp2Session, { used: boolean }>();
  readonly #registered = new Set<string>();
  /** The stream that grpc-js is being given right now: it calls the interceptor before it returns. */
  #current: Admitted | undefined;
  /** The connection that it was given last: its session begins before `accept` returns. */
  #accepted: Socket | undefined;

  private constructor(grpc: typeof import('@grpc/grpc-js'), options: GrpcLaneOptions) {
    this.#options = options;
    const { limits } = options.runtime;
    class WireHeaders extends grpc.Metadata {
      readonly headers: OutgoingHttpHeaders;
      constructor(headers: OutgoingHttpHeaders) {
        super();
        this.headers = headers;
      }
      override clone(): this {
        return this;
      }
      override toHttp2Headers(): OutgoingHttpHeaders {
        return this.headers;
      }
    }
    const wrap = (headers: OutgoingHttpHeaders) => new WireHeaders(headers);
    const begin = (wire: ServerInterceptingCallInterface) => {
      const { stream, headers, bound } = this.#current as Admitted;
      const frames = new FollowedFrames(stream);
      new GrpcCall(bound, options.runtime, {
        wire,
        frames,
        headers,
        wrap,
        aborted: () => stream.aborted,
        cut: () => stream.close(cancelCode),
      }).start();
    };
    class Intercepted extends grpc.ServerInterceptingCall {
      readonly #wire: ServerInterceptingCallInterface;
      constructor(wire: ServerInterceptingCallInterface) {
        super(wire);
        this.#wire = wire;
      }
      // Here grpc-js's own handling of the call would begin.
      override start(): void {
        begin(this.#wire);
      }
    }
    this.#server = new grpc.Server({
      'grpc.max_receive_message_length': limits.messageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.enable_channelz': 0,
      // Drops peers that answer no ping: those that are gone, and those that were no HTTP/2 clients, to which Node keeps the connection open.
      'grpc.keepalive_time_ms': limits.headersMs * 3,
      'grpc.keepalive_timeout_ms': limits.headersMs,
      interceptors: [
        (_method: ServerMethodDefinition<unknown, unknown>, wire: ServerInterceptingCallInterface) =>
          new Intercepted(wire),
      ],
    });
    const injector = this.#server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    this.#inject = (socket) => injector.injectConnection(socket);
    this.#tap(http2ServerOf(this.#server));
  }

  /** grpc-js takes 60 ms and 10 MB to load, so that a service nobody calls over gRPC does without. */
  static async open(options: GrpcLaneOptions): Promise<GrpcLane> {
    return new GrpcLane(await import('@grpc/grpc-js'), options);
  }

  accept(socket: Socket): void {
    this.#accepted = socket;
    // node:http, whose port this is, keeps a connection open whose peer has closed its side, as one does that was killed. In HTTP/2 nobody does that
    // and goes on: without this a ping would have to find out, and until then messages would be sent to nobody.
    socket.once('end', () => socket.destroy());
    this.#inject(socket);
  }

  /** Tells every client to go elsewhere (GOAWAY); what has begun goes on. */
  drain(): void {
    for (const session of this.#sessions.keys()) session.close();
  }

  destroy(): void {
    for (const session of this.#sessions.keys()) session.destroy();
    this.#server.forceShutdown();
  }

  #tap(http2: Http2Server): void {
    const { limits } = this.#options.runtime;
    const [handle] = http2.listeners('stream') as [(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void];
    http2.updateSettings({ maxHeaderListSize: limits.headerBytes });
    http2.removeAllListeners('stream');
    http2.on('stream', (stream, headers) => this.#admit(stream, headers, handle));
    http2.on('session', (session) => this.#follow(session, this.#accepted as Socket));
  }

  #follow(session: ServerHttp2Session, socket: Socket): void {
    const { logger, name } = this.#options.runtime;
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    let detail: string | undefined;
    let left = false;
    this.#sessions.set(session, { used: false });
    session.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') left = true;
      else detail = `this is not HTTP/2: ${error.message}`;
    });
    session.once('close', () => {
      const used = this.#sessions.get(session)?.used;
      this.#sessions.delete(session);
      if (!left && !socket.readableEnded && !this.#options.runtime.closing) detail ??= 'it answered no ping';
      // grpc-go says goodbye in a way that Node calls a protocol error: only a peer that never got as far as a call is worth a line.
      if (!used && detail) logger.warn('connection refused', { server: name, peer, detail });
      // A peer that does not hang up after GOAWAY would keep the connection.
      setTimeout(() => socket.destroy(), lingerMs).unref();
    });
  }

  #admit(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    handle: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  ): void {
    const { runtime, find } = this.#options;
    const session = stream.session && this.#sessions.get(stream.session as ServerHttp2Session);
    if (session) session.used = true;
    const path = headers[':path'] as string;
    const bound = find(path);
    if (headers[':method'] !== 'POST') return respond(stream, { ':status': 405, allow: 'POST' });
    if (!isGrpc(headers['content-type'])) return respond(stream, { ':status': 415, 'accept-post': 'application/grpc' });
    const busy = runtime.refusal(runtime.inFlight);
    if (busy) return respond(stream, { ...statusHeaders(busy, runtime), [notProcessed]: 'true', ...acceptedEncodings });
    const problem = bound?.handler ? problemOf(headers, runtime) : unimplemented(path, bound, runtime);
    if (!bound || problem)
      return respond(stream, { ...statusHeaders(problem as MicroError, runtime), ...acceptedEncodings });
    if (!this.#registered.has(path)) {
      this.#registered.add(path);
      this.#server.register(
        path,
        () => undefined,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        'unary',
      );
    }
    // The call keeps deadlines and decompresses, as in the other lane: grpc-js cuts long deadlines to 32 bits, and answers its own errors itself.
    this.#current = { stream, headers, bound };
    handle(stream, { ':path': path, ':authority': headers[':authority'], 'content-type': headers['content-type'] });
    this.#current = undefined;
  }
}

/** CANCEL (RFC 9113, section 7). */
const cancelCode = 8;

/** How long a peer has to read the last frames. */
const lingerMs = 1_000;

function respond(stream: ServerHttp2Stream, headers: OutgoingHttpHeaders): void {
  // A caller that resets the stream before it has read the answer is no error of ours.
  stream.once('error', () => undefined);
  stream.respond(headers, { endStream: true });
}

/** The one thing that grpc-js does not give out, and that the checks above need: its HTTP/2 server. */
function http2ServerOf(server: Server): Http2Server {
  const servers = (server as unknown as { http2Servers?: Map<Http2Server, unknown> }).http2Servers;
  const [http2] = servers?.keys() ?? [];
  if (!http2)
    throw new MicroError(
      'internal',
      'this version of @grpc/grpc-js keeps its HTTP/2 server elsewhere: adapt grpc-lane.ts',
    );
  return http2;
}
