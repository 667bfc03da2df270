import { MicroError } from '@micro/errors';
import { Config } from '@micro/platform';
import {
  answerError,
  Cancellation,
  Client,
  decompress,
  defaultLimits,
  encodings,
  type Frame,
  type Http2Stream,
  Metadata,
} from '@micro/rpc';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { GrpcCall } from './grpc-call.js';
import { type Route, Routes } from './routes.js';
import { SlowSenders } from './slow-senders.js';
import { metadataFrom, passedOn, split, toHeaders } from './wire-headers.js';

/**
 * gRPC calls of any kind, passed on by their method path, nothing decoded. Unary calls go over the Connect lane, several times faster than
 * gRPC in Node; streams go over gRPC.
 */
@Injectable()
export class GrpcPass implements OnModuleDestroy {
  readonly #client: Client;
  readonly #routes: Routes;
  /** Bytes of one message. */
  readonly #limit: number;
  readonly #slow = new SlowSenders();

  constructor(client: Client, routes: Routes, config: Config) {
    this.#client = client;
    this.#routes = routes;
    this.#limit = config.limits.messageBytes;
  }

  /** Takes every request over HTTP/2 that is no call to the proxy itself. */
  readonly accept = (stream: Http2Stream): void => {
    const refusal = refusalOf(stream);
    if (refusal) return refuse(stream, refusal);
    const call = new GrpcCall(stream, this.#limit);
    const failed = (error: unknown) => call.fail(MicroError.from(error, 'proxy'));
    try {
      const route = this.#routes.find(call.header('micro-namespace'), call.path);
      if (route instanceof Promise) route.then((found) => this.#pass(call, found)).catch(failed);
      else this.#pass(call, route);
    } catch (error) {
      failed(error);
    }
  };

  onModuleDestroy(): void {
    this.#slow.close();
  }

  #pass(call: GrpcCall, route: Route): void {
    const timeoutMs = call.timeoutMs();
    if (route.kind !== 'unary') {
      this.#passStream(call, route, timeoutMs).catch((error: unknown) => call.fail(MicroError.from(error, 'proxy')));
      return;
    }
    const failed = (error: MicroError) => {
      this.#slow.complete(stop);
      call.fail(error);
    };
    const stop = call.readUnary((frame) => {
      this.#slow.complete(stop);
      if (frame.compressed)
        decompressed(call, frame, this.#limit).then(
          (plain) => this.#passUnary(call, { route, timeoutMs, body: plain }),
          failed,
        );
      else this.#passUnary(call, { route, timeoutMs, body: frame.message });
    }, failed);
    this.#slow.begin(stop, Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, defaultLimits.requestMs));
  }

  #passUnary(
    call: GrpcCall,
    { route, timeoutMs, body }: { route: Route; timeoutMs: number | undefined; body: Uint8Array },
  ): void {
    const cancellation = new Cancellation();
    call.onCancel(() => cancellation.cancel());
    const { service, namespace, path, idempotent } = route;
    const headers = passedOn(call.headers);
    const failed = (error: unknown) => call.fail(MicroError.from(error, 'proxy'));
    this.#client
      .forward({
        service,
        namespace,
        path,
        contentType: 'application/proto',
        body,
        headers,
        timeoutMs,
        idempotent,
        signal: cancellation,
      })
      .then((answer) => {
        const { leading, trailing } = split(answer.headers);
        if (answer.status === 200) call.answer(leading, { compressed: false, message: answer.body }, trailing);
        else void answerError(answer, this.#limit).then((error) => call.fail(error, leading, trailing), failed);
      }, failed);
  }

  async #passStream(call: GrpcCall, route: Route, timeoutMs: number | undefined): Promise<void> {
    const abort = new AbortController();
    call.onCancel(() => abort.abort());
    const { service, namespace, path } = route;
    const stream = this.#client.forwardStream({
      service,
      namespace,
      path,
      headers: metadataFrom(call.headers),
      messages: requests(call, this.#limit),
      timeoutMs,
      signal: abort.signal,
    });
    // Ours to await below; until then its failure is not unhandled.
    stream.trailers.catch(() => undefined);
    void stream.headers.then(
      (headers) => call.sendHeaders(toHeaders(headers)),
      () => undefined,
    );
    for await (const message of stream.messages) await call.sendMessage({ compressed: false, message });
    try {
      call.finish(toHeaders(await stream.trailers));
    } catch (error) {
      const failure = MicroError.from(error, 'proxy');
      call.fail(failure, [], toHeaders(new Metadata(failure.metadata)));
    }
  }
}

async function* requests(call: GrpcCall, limit: number): AsyncGenerator<Uint8Array> {
  for await (const frame of call.messages())
    yield frame.compressed ? await decompressed(call, frame, limit) : frame.message;
}

/** A compressed message as it was before. Rejects with MicroError `unimplemented` for an encoding that nobody here knows. */
function decompressed(call: GrpcCall, { message }: Frame, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const encoding = encodings.find((one) => one === call.header('grpc-encoding'));
    if (encoding === undefined || encoding === 'identity') {
      throw new MicroError(
        'unimplemented',
        `a message is compressed, and not by one of ${encodings.join(', ')}, as grpc-encoding has to say`,
        { id: 'proxy' },
      );
    }
    const exceeded = () =>
      new MicroError(
        'resource_exhausted',
        `the message has more than ${limit} bytes once decompressed (MICRO_MESSAGE_LIMIT)`,
        { id: 'proxy' },
      );
    decompress(message, encoding, { bytes: limit, exceeded }, (error, plain) =>
      error ? reject(error) : resolve(plain),
    );
  });
}

function refusalOf(stream: Http2Stream): MicroError | undefined {
  if (stream.header(':method') !== 'POST') {
    return new MicroError('unimplemented', 'gRPC calls are POST requests', { id: 'proxy', status: 405 });
  }
  if (!/^application\/grpc(\+proto)?(;|$)/.test(stream.header('content-type') ?? '')) {
    const detail = 'over HTTP/2 the proxy speaks gRPC, content type application/grpc; Connect calls go over HTTP/1.1';
    return new MicroError('invalid_argument', detail, { id: 'proxy', status: 415 });
  }
  return undefined;
}

function refuse(stream: Http2Stream, error: MicroError): void {
  stream.respond([
    ':status',
    String(error.status),
    'content-type',
    'application/json',
    ...(error.status === 405 ? ['allow', 'POST'] : []),
  ]);
  stream.write(Buffer.from(JSON.stringify(error)));
  stream.end();
}
