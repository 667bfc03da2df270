import type { ClientHttp2Session } from 'node:http2';
import { MicroError } from '@micro/errors';
import { isProtocolHeader, notProcessed, pushHeaders } from '../connect-wire.js';
import { type Answer, type Exchange, type ExchangeListener, headerOf, type RawRequest } from './exchange.js';
import { grpcTimeout, type GrpcOutcome } from './grpc-status.js';
import { GrpcStream, http2Headers } from './grpc-stream.js';

export interface GrpcLaneOptions {
  /** Milliseconds in which a connection must be made. */
  readonly connectTimeout: number;
  readonly messageBytes: number;
  /**
   * While calls are under way, asks the node every so many milliseconds whether it is still there, and breaks off if there is no answer in
   * time. Undefined: does not ask; servers of other makes may take it for abuse.
   */
  readonly keepalive: { readonly every: number; readonly timeout: number } | undefined;
}

const window = 256 * 1024;
const connectionWindow = 4 * window;

/** One HTTP/2 connection. */
interface Connection {
  readonly session: ClientHttp2Session;
  calls: number;
  keepalive: NodeJS.Timeout | undefined;
}

/** gRPC over HTTP/2 to one node: a connection made with the first call, and further ones when the node's limit of streams is reached. */
export class GrpcLane {
  readonly #address: string;
  readonly #options: GrpcLaneOptions;
  readonly #connections: Connection[] = [];
  #connecting: Promise<Connection> | undefined;
  #closing = false;

  constructor(address: string, options: GrpcLaneOptions) {
    this.#address = address;
    this.#options = options;
  }

  /**
   * Begins a call, once there is a connection. Rejects, with the system's error, only if no connection can be made: nothing was sent then.
   * `headers` are flat; `deadline` is in milliseconds of `performance.now()`.
   */
  async open(path: string, headers: readonly string[], deadline = Number.POSITIVE_INFINITY): Promise<GrpcStream> {
    const connection = this.#free() ?? (await (this.#connecting ??= this.#connect()));
    const left = deadline - performance.now();
    const timeout = left === Number.POSITIVE_INFINITY ? undefined : grpcTimeout(left);
    const stream = connection.session.request(http2Headers(path, timeout, headers), { endStream: false });
    this.#begin(connection);
    stream.once('close', () => this.#end(connection));
    return new GrpcStream(stream, { messageBytes: this.#options.messageBytes, deadline });
  }

  /** A unary call of the Connect lane for a node that does not have it. */
  unary(request: RawRequest, deadline: number, listener: ExchangeListener): Exchange {
    const exchange = new GrpcExchange(listener);
    void exchange.run(this, request, deadline);
    return exchange;
  }

  /** Whether anything answers within `timeout` milliseconds. */
  async probe(timeout: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), timeout)));
    const asked = this.open('/grpc.health.v1.Health/Check', [], performance.now() + timeout).then(
      async (stream) => {
        void stream.write(new Uint8Array());
        stream.end();
        void late.then(() => stream.cancel(new MicroError('canceled', 'the probe took too long')));
        await stream.headers;
        return stream.answered;
      },
      () => false,
    );
    const alive = await Promise.race([asked, late]);
    clearTimeout(timer);
    return alive;
  }

  /** Closes the connections as their calls end. */
  close(): void {
    this.#closing = true;
    for (const { session, calls } of this.#connections.splice(0)) if (calls === 0) session.close();
  }

  /** Breaks everything off. */
  destroy(reason: Error): void {
    this.#closing = true;
    void this.#connecting?.then(
      ({ session }) => session.destroy(),
      () => undefined,
    );
    for (const { session } of this.#connections.splice(0)) session.destroy(reason);
  }

  /** A connection with room for another call; undefined if a new one is needed. */
  #free(): Connection | undefined {
    return this.#connections.find(
      ({ session, calls }) =>
        !session.closed && calls < (session.remoteSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY),
    );
  }

  async #connect(): Promise<Connection> {
    try {
      // Loaded here: it takes some 10 ms, which whoever calls over Connect need not wait for.
      const { connect } = await import('node:http2');
      return await this.#connectBy(connect);
    } finally {
      this.#connecting = undefined;
    }
  }

  #connectBy(connect: typeof import('node:http2').connect): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const session = connect(`http://${this.#address}`, {
        settings: { enablePush: false, initialWindowSize: window },
        maxSessionMemory: 1000,
      });
      let ready = false;
      const late = () => ready || session.destroy(connectError('ETIMEDOUT', this.#address));
      // After a blockage of this process, what has arrived meanwhile is read first.
      const timer = setTimeout(() => setImmediate(late), this.#options.connectTimeout);
      session.once('connect', () => session.setLocalWindowSize(connectionWindow));
      // Only a node that has sent its settings speaks HTTP/2; until then nothing of a call is sent.
      session.once('remoteSettings', () => {
        ready = true;
        clearTimeout(timer);
        if (this.#closing) session.close();
        const connection = { session, calls: 0, keepalive: undefined };
        this.#connections.push(connection);
        session.unref();
        resolve(connection);
      });
      session.on('error', reject);
      session.on('goaway', () => this.#forget(session));
      session.once('close', () => {
        clearTimeout(timer);
        this.#forget(session);
        reject(connectError('ECONNRESET', this.#address));
      });
    });
  }

  #forget(session: ClientHttp2Session): void {
    const index = this.#connections.findIndex((connection) => connection.session === session);
    if (index >= 0) this.#connections.splice(index, 1);
  }

  #begin(connection: Connection): void {
    if (connection.calls++ > 0) return;
    connection.session.ref();
    const { keepalive } = this.#options;
    if (keepalive)
      connection.keepalive = setInterval(() => this.#ping(connection, keepalive.timeout), keepalive.every).unref();
  }

  #end(connection: Connection): void {
    if (--connection.calls > 0) return;
    clearInterval(connection.keepalive);
    if (this.#closing) connection.session.close();
    else if (!connection.session.destroyed) connection.session.unref();
  }

  #ping({ session }: Connection, timeout: number): void {
    if (session.destroyed) return;
    const timer = setTimeout(() => session.destroy(connectError('ETIMEDOUT', this.#address)), timeout).unref();
    // Called with an error as well, when the session closes before the answer.
    session.ping(() => clearTimeout(timer));
  }
}

/** One unary call over gRPC, seen as an exchange of the Connect lane. */
class GrpcExchange implements Exchange {
  readonly waiting = false;
  readonly #listener: ExchangeListener;
  #stream: GrpcStream | undefined;
  #over = false;

  constructor(listener: ExchangeListener) {
    this.#listener = listener;
  }

  cancel(): void {
    this.#over = true;
    this.#stream?.cancel(new MicroError('canceled', 'the call was canceled'));
  }

  async run(lane: GrpcLane, request: RawRequest, deadline: number): Promise<void> {
    const compressed = headerOf(request.headers, 'content-encoding') === 'gzip';
    let stream: GrpcStream;
    try {
      stream = await lane.open(request.path, grpcHeaders(request.headers, compressed), deadline);
    } catch (error) {
      return this.#fail(error as Error, false);
    }
    if (this.#over) return stream.cancel(new MicroError('canceled', 'the call was canceled'));
    this.#stream = stream;
    void stream.write(request.body, compressed);
    stream.end();
    const body = await stream.read();
    const second = body && (await stream.read());
    if (second)
      stream.cancel(new MicroError('unimplemented', 'the service answered a unary call with more than one message'));
    const [headers, outcome] = await Promise.all([stream.headers, stream.outcome]);
    if (outcome.fault === 'reset' || outcome.refused) return this.#fail(outcome.error as Error, !outcome.refused);
    if (this.#over) return;
    this.#over = true;
    const flat: string[] = ['content-type', 'application/proto'];
    pushHeaders(flat, headers);
    this.#listener.answered(this.#answer(flat, body, outcome));
  }

  #answer(headers: string[], body: Uint8Array | undefined, { error, trailers }: GrpcOutcome): Answer {
    pushHeaders(headers, trailers, 'trailer-');
    if (trailers.has(notProcessed)) headers.push(notProcessed, trailers.get(notProcessed) as string);
    const failure =
      error ??
      (body ? undefined : new MicroError('unimplemented', 'the service answered a unary call without a message'));
    if (failure) return { status: failure.status, headers, body: Buffer.alloc(0), error: failure };
    const { buffer, byteOffset, byteLength } = body as Uint8Array;
    return { status: 200, headers, body: Buffer.from(buffer, byteOffset, byteLength) };
  }

  #fail(error: Error, sent: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener.failed(
      error instanceof MicroError ? ((error.cause as Error | undefined) ?? new Error(error.detail)) : error,
      sent,
    );
  }
}

/** Headers of a Connect request without the protocol's own. */
function grpcHeaders(connectHeaders: readonly string[], compressed: boolean): string[] {
  const headers = compressed ? ['grpc-encoding', 'gzip'] : [];
  for (let index = 0; index + 1 < connectHeaders.length; index += 2) {
    const name = connectHeaders[index] as string;
    if (!isProtocolHeader(name)) headers.push(name, connectHeaders[index + 1] as string);
  }
  return headers;
}

function connectError(code: string, address: string): Error {
  return Object.assign(new Error(`${code} ${address}`), { code });
}
