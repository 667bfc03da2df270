import {
  type ChannelOptions,
  credentials,
  makeGenericClientConstructor,
  type Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import type {
  ClientDuplexStream,
  ClientReadableStream,
  ClientWritableStream,
  CallOptions,
  ClientUnaryCall,
  Client,
} from '@grpc/grpc-js';
import type { ServiceDefinition } from '@micro/proto';

type Init = object;
type Callback = (error: ServiceError | null, response?: Record<string, unknown>) => void;

/** A client as a user of plain grpc-js makes it from a .proto: it knows nothing of us. */
export interface PlainClient extends Client {
  [method: string]: unknown;
}

export function plainClient(service: ServiceDefinition, address: string, options: ChannelOptions = {}): PlainClient {
  const definition = Object.fromEntries(
    service.methods.map(({ name, path, kind, input, output }) => [
      name,
      {
        path,
        requestStream: kind === 'clientStream' || kind === 'bidiStream',
        responseStream: kind === 'serverStream' || kind === 'bidiStream',
        requestSerialize: (message: Init) => Buffer.from(input.encode(message)),
        requestDeserialize: (bytes: Buffer) => input.decode(bytes),
        responseSerialize: (message: Init) => Buffer.from(output.encode(message)),
        responseDeserialize: (bytes: Buffer) => output.decode(bytes),
      },
    ]),
  );
  const Constructor = makeGenericClientConstructor(definition, service.shortName);
  return new Constructor(address, credentials.createInsecure(), options) as unknown as PlainClient;
}

/** What came of a call: messages, headers, and the status with its trailers. */
export interface Outcome {
  readonly messages: Record<string, unknown>[];
  readonly headers: Metadata | undefined;
  readonly status: StatusObject;
}

export function unary(
  client: PlainClient,
  method: string,
  request: Init,
  how: { metadata?: Metadata; options?: CallOptions } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const call = client[method] as (
      request: Init,
      metadata: Metadata | CallOptions,
      options: CallOptions | Callback,
      callback?: Callback,
    ) => ClientUnaryCall;
    const messages: Record<string, unknown>[] = [];
    const done: Callback = (_error, response) => response && messages.push(response);
    const running = how.metadata
      ? call.call(client, request, how.metadata, how.options ?? {}, done)
      : call.call(client, request, how.options ?? {}, done);
    collect(running, messages, resolve);
  });
}

export function serverStream(
  client: PlainClient,
  method: string,
  request: Init,
  options: CallOptions = {},
): ClientReadableStream<Record<string, unknown>> {
  return (
    client[method] as (request: Init, options: CallOptions) => ClientReadableStream<Record<string, unknown>>
  ).call(client, request, options);
}

export function clientStream(
  client: PlainClient,
  method: string,
  done: Callback,
  options: CallOptions = {},
): ClientWritableStream<Init> {
  return (client[method] as (options: CallOptions, callback: Callback) => ClientWritableStream<Init>).call(
    client,
    options,
    done,
  );
}

export function bidiStream(
  client: PlainClient,
  method: string,
  options: CallOptions = {},
): ClientDuplexStream<Init, Record<string, unknown>> {
  return (client[method] as (options: CallOptions) => ClientDuplexStream<Init, Record<string, unknown>>).call(
    client,
    options,
  );
}

/** Reads a stream to its end. */
export function outcome(stream: ClientReadableStream<Record<string, unknown>>): Promise<Outcome> {
  return new Promise((resolve) => {
    const messages: Record<string, unknown>[] = [];
    stream.on('data', (message) => messages.push(message)).on('error', () => undefined);
    collect(stream, messages, resolve);
  });
}

function collect(
  call: {
    on(event: 'metadata', listener: (metadata: Metadata) => void): unknown;
    on(event: 'status', listener: (status: StatusObject) => void): unknown;
  },
  messages: Record<string, unknown>[],
  resolve: (outcome: Outcome) => void,
): void {
  let headers: Metadata | undefined;
  call.on('metadata', (metadata) => (headers = metadata));
  // The callback of a unary call comes after its status.
  call.on('status', (status) => setImmediate(() => resolve({ messages, headers, status })));
}
