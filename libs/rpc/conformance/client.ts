/** The client under test of Connect's conformance runner: Client calling ConformanceService as it is told. Argument: the folder of the .proto files. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type { JsonValue, MethodDefinition } from '@micro/proto';
import { Client } from '../src/client/client.js';
import type { CallOptions } from '../src/client/options.js';
import { fixedTargets } from '../src/discovery.js';
import { Metadata } from '../src/metadata.js';
import { conformanceSchema, framed, readFramed } from './schema.js';

interface Header {
  readonly name: string;
  readonly value: readonly string[];
}
interface Any {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}
interface Task {
  readonly testName: string;
  readonly protocol: number;
  readonly codec: number;
  readonly compression: number;
  readonly host: string;
  readonly port: number;
  readonly messageReceiveLimit: number;
  readonly service?: string;
  readonly method?: string;
  readonly streamType: number;
  readonly requestHeaders: readonly Header[];
  readonly requestMessages: readonly Any[];
  readonly timeoutMs?: number;
  readonly requestDelayMs: number;
  readonly cancel?: {
    readonly beforeCloseSend?: object;
    readonly afterCloseSendMs?: number;
    readonly afterNumResponses?: number;
  };
}
interface Response {
  readonly payload?: object;
}
/** What is told about a call. */
interface Report {
  responseHeaders: readonly Header[];
  responseTrailers: readonly Header[];
  readonly payloads: object[];
  error?: object;
  numUnsentRequests: number;
}

/** Numbers of the enums in config.proto. */
const protocols = { connect: 1 };
const codecs = { json: 2 };
const compressions = { gzip: 2 };
const streams = { unary: 1, client: 2, server: 3, fullDuplex: 5 };

const [folder = 'proto'] = process.argv.slice(2);
const schema = conformanceSchema(folder);
void main();

async function main(): Promise<void> {
  const request = schema.message('connectrpc.conformance.v1.ClientCompatRequest');
  const response = schema.message('connectrpc.conformance.v1.ClientCompatResponse');
  const input = process.stdin[Symbol.asyncIterator]();
  const buffered = { bytes: Buffer.alloc(0) };
  const running = new Set<Promise<unknown>>();
  for (let bytes = await readFramed(input, buffered); bytes; bytes = await readFramed(input, buffered)) {
    const task = request.decode(bytes) as Task;
    const done = run(task)
      .then(
        (report) => ({ response: report }),
        (error: Error) => ({ error: { message: String(error.stack) } }),
      )
      .then((result) => process.stdout.write(framed(response.encode({ testName: task.testName, ...result }))))
      .finally(() => running.delete(done));
    running.add(done);
    if (running.size >= 8) await Promise.race(running);
  }
}

async function run(task: Task): Promise<Report> {
  const client = new Client({
    discovery: fixedTargets(`${task.host}:${task.port}`, { connect: task.protocol === protocols.connect }),
    timeout: Number.POSITIVE_INFINITY,
    compressFrom: task.compression === compressions.gzip ? 0 : undefined,
    limits: task.messageReceiveLimit > 0 ? { messageBytes: task.messageReceiveLimit } : {},
  });
  try {
    return await call(client, task);
  } finally {
    await client.close();
  }
}

async function call(client: Client, task: Task): Promise<Report> {
  const service = schema.service(task.service ?? 'connectrpc.conformance.v1.ConformanceService');
  const method = service.methods.find(({ name }) => name === task.method) as MethodDefinition;
  const report: Report = {
    responseHeaders: [],
    responseTrailers: [],
    payloads: [],
    numUnsentRequests: task.requestMessages.length,
  };
  const abort = new AbortController();
  const metadata = new Metadata();
  for (const { name, value } of task.requestHeaders) for (const one of value) metadata.append(name, one);
  const options: CallOptions = {
    service: 'conformance',
    metadata,
    timeout: task.timeoutMs ?? Number.POSITIVE_INFINITY,
    signal: abort.signal,
    onHeaders: (headers) => (report.responseHeaders = headersOf(headers)),
    onTrailers: (trailers) => (report.responseTrailers = headersOf(trailers)),
  };
  const messages = task.requestMessages.map(({ value }) => method.input.decode(value));
  try {
    for await (const { payload } of responses(client, task, { method, messages, options, report, abort })) {
      report.payloads.push(payload ?? {});
      if (report.payloads.length === task.cancel?.afterNumResponses) abort.abort();
    }
  } catch (error) {
    report.error = errorOf(MicroError.from(error));
  }
  return report;
}

interface Prepared {
  readonly method: MethodDefinition;
  readonly messages: readonly object[];
  readonly options: CallOptions;
  readonly report: Report;
  readonly abort: AbortController;
}

async function* responses(
  client: Client,
  task: Task,
  { method, messages, options, report, abort }: Prepared,
): AsyncGenerator<Response> {
  const cancelLater = () => {
    const { afterCloseSendMs } = task.cancel ?? {};
    if (afterCloseSendMs !== undefined) setTimeout(() => abort.abort(), afterCloseSendMs);
  };
  async function* sending(afterEach: () => Promise<void> = async () => undefined): AsyncGenerator<object> {
    for (const message of messages) {
      await sleep(task.requestDelayMs);
      report.numUnsentRequests--;
      yield message;
      await afterEach();
    }
    if (task.cancel?.beforeCloseSend) abort.abort();
    cancelLater();
  }
  if (task.streamType === streams.client) {
    yield (await client.clientStream(method, sending(), options)) as Response;
    return;
  }
  if (task.streamType === streams.unary || task.streamType === streams.server) {
    await sleep(task.requestDelayMs);
    report.numUnsentRequests--;
    cancelLater();
    if (task.streamType === streams.unary)
      yield await unary(client, task, method, { message: messages[0] as object, options });
    else yield* client.serverStream(method, messages[0] as object, options) as AsyncIterable<Response>;
    return;
  }
  let answered: (() => void) | undefined;
  const answer = () => new Promise<void>((resolve) => (answered = resolve));
  for await (const one of client.bidiStream(
    method,
    sending(task.streamType === streams.fullDuplex ? answer : undefined),
    options,
  )) {
    yield one as Response;
    answered?.();
  }
}

async function unary(
  client: Client,
  task: Task,
  method: MethodDefinition,
  { message, options }: { message: object; options: CallOptions },
): Promise<Response> {
  if (task.codec !== codecs.json) return client.unary(method, message, options) as Promise<Response>;
  const json: JsonValue = await client.json('conformance', method.path, method.input.toJson(message), options);
  return method.output.fromJson(json) as Response;
}

function headersOf(metadata: Metadata): Header[] {
  return Object.entries(metadata.toJSON()).map(([name, value]) => ({ name, value }));
}

function errorOf(error: MicroError): object {
  const details = error.details.map(({ type, value }) => ({ typeUrl: `type.googleapis.com/${type}`, value }));
  return { code: error.grpcStatus, message: error.detail, details };
}
