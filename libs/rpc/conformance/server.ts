/** The server under test of Connect's conformance runner: ConformanceService on RpcServer. Arguments: the folder of the .proto files; `http2` for gRPC on our own HTTP/2 instead of grpc-js's. */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeFromGrpc, MicroError } from '@micro/errors';
import type { MethodDefinition } from '@micro/proto';
import { type CallContext, type Http2Stream, type Metadata, RpcServer } from '../src/index.js';
import { conformanceSchema, framed, readFramed } from './schema.js';

interface Header {
  readonly name: string;
  readonly value: readonly string[];
}
interface Any {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}
interface Failure {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Any[];
}
interface Definition<D> {
  readonly responseHeaders: readonly Header[];
  readonly responseData?: D;
  readonly error?: Failure;
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
}
interface UnaryRequest {
  readonly responseDefinition?: Definition<Uint8Array>;
}
interface StreamRequest {
  readonly responseDefinition?: Definition<readonly Uint8Array[]>;
  readonly fullDuplex?: boolean;
}
interface ServerCompatRequest {
  readonly messageReceiveLimit: number;
}

const [folder = 'proto'] = process.argv.slice(2);
const schema = conformanceSchema(folder);
const service = schema.service('connectrpc.conformance.v1.ConformanceService');
const requestInfo = schema.message('connectrpc.conformance.v1.ConformancePayload.RequestInfo');

async function main(): Promise<void> {
  const compat = await readFramed(process.stdin[Symbol.asyncIterator](), { bytes: Buffer.alloc(0) });
  const { messageReceiveLimit } = schema
    .message('connectrpc.conformance.v1.ServerCompatRequest')
    .decode(compat ?? Buffer.alloc(0)) as ServerCompatRequest;

  const limits = messageReceiveLimit > 0 ? { messageBytes: messageReceiveLimit } : {};
  const server = new RpcServer({
    name: 'conformance',
    limits,
    http2: process.argv[3] === 'http2' ? refuseAll : undefined,
  });
  server.add(service, {
    unary: (request: UnaryRequest, context: CallContext) => unary([request], context),
    idempotentUnary: (request: UnaryRequest, context: CallContext) => unary([request], context),
    async clientStream(requests: AsyncIterable<UnaryRequest>, context: CallContext) {
      const all: UnaryRequest[] = [];
      for await (const request of requests) all.push(request);
      return unary(all, context);
    },
    async *serverStream(request: StreamRequest, context: CallContext) {
      yield* stream([request], request.responseDefinition, context);
    },
    async *bidiStream(requests: AsyncIterable<StreamRequest>, context: CallContext) {
      const incoming = requests[Symbol.asyncIterator]();
      const first = await incoming.next();
      if (first.done) return;
      if (first.value.fullDuplex) yield* duplex(first.value, incoming, context);
      else yield* stream([first.value, ...(await rest(incoming))], first.value.responseDefinition, context);
    },
  });
  const { host, port } = await server.listen();
  process.stdout.write(framed(schema.message('connectrpc.conformance.v1.ServerCompatResponse').encode({ host, port })));
  process.once('SIGTERM', () => void server.close({ graceMs: 0 }).then(() => process.exit(0)));
}

void main();

async function unary(requests: readonly UnaryRequest[], context: CallContext): Promise<object> {
  const definition = requests[0]?.responseDefinition;
  respond(definition, context);
  await wait(definition);
  const about = info(requests, context, true);
  if (definition?.error) throw failure(definition.error, about);
  return { payload: { data: definition?.responseData, requestInfo: about } };
}

async function* stream(
  requests: readonly StreamRequest[],
  definition: Definition<readonly Uint8Array[]> | undefined,
  context: CallContext,
) {
  respond(definition, context);
  let first = true;
  for (const data of definition?.responseData ?? []) {
    await wait(definition);
    yield { payload: { data, requestInfo: first ? info(requests, context, true) : undefined } };
    first = false;
  }
  if (definition?.error) throw failure(definition.error, first ? info(requests, context, true) : undefined);
}

/** One response for each request as it comes; when they end, the responses that are left. */
async function* duplex(first: StreamRequest, incoming: AsyncIterator<StreamRequest>, context: CallContext) {
  const definition = first.responseDefinition;
  const data = definition?.responseData ?? [];
  respond(definition, context);
  let fresh = [first];
  let sent = 0;
  for (; sent < data.length; sent++) {
    await wait(definition);
    yield {
      payload: { data: data[sent], requestInfo: fresh.length > 0 ? info(fresh, context, sent === 0) : undefined },
    };
    const next = fresh.length > 0 ? await incoming.next() : undefined;
    fresh = next && !next.done ? [next.value] : [];
  }
  if (definition?.error) throw failure(definition.error, sent === 0 ? info([first], context, true) : undefined);
}

async function rest(incoming: AsyncIterator<StreamRequest>): Promise<StreamRequest[]> {
  const all: StreamRequest[] = [];
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) all.push(next.value);
  return all;
}

function respond(definition: Definition<unknown> | undefined, context: CallContext): void {
  append(context.responseHeaders, definition?.responseHeaders);
  append(context.responseTrailers, definition?.responseTrailers);
}

function append(metadata: Metadata, headers: readonly Header[] = []): void {
  for (const { name, value } of headers) for (const one of value) metadata.append(name, one);
}

async function wait(definition: Definition<unknown> | undefined): Promise<void> {
  if (definition?.responseDelayMs) await sleep(definition.responseDelayMs);
}

function info(requests: readonly object[], context: CallContext, withHeaders: boolean): object {
  const { method, deadline } = context;
  const echoed = requests.map((request) => pack(method, request));
  if (!withHeaders) return { requests: echoed };
  const headers = Object.entries(context.metadata.toJSON()).map(([name, value]) => ({ name, value }));
  return {
    requests: echoed,
    requestHeaders: headers,
    timeoutMs: deadline === undefined ? undefined : BigInt(Math.max(0, deadline - Date.now())),
  };
}

function pack({ input }: MethodDefinition, message: object): Any {
  return { typeUrl: `type.googleapis.com/${input.name}`, value: input.encode(message) };
}

function failure({ code, message, details }: Failure, about: object | undefined): MicroError {
  const own = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value }));
  const echoed = about ? [{ type: requestInfo.name, value: requestInfo.encode(about) }] : [];
  return new MicroError(codeFromGrpc(code), message ?? '', { id: 'conformance', details: [...own, ...echoed] });
}

/** Having a route for what is no method of its own, a server speaks HTTP/2 itself. */
function refuseAll(stream: Http2Stream): void {
  stream.respond([':status', '200', 'content-type', 'application/grpc', 'grpc-status', '12'], { end: true });
}
