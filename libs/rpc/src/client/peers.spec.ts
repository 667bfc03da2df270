import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  create,
  createFileRegistry,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import {
  Server,
  ServerCredentials,
  status,
  Metadata as GrpcMetadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { MicroError } from '@micro/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from './client.js';
import { Echo, echoSchema, Nodes, type Note } from './echo.fixture.js';

const note = echoSchema.message('echo.Note');

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}

describe("a service on Connect's own server", () => {
  let server: HttpServer;
  let client: Client;

  beforeAll(async () => {
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, echoSchema.descriptorSet()));
    const service = registry.getService('echo.Echo') as DescService;
    const look = service.methods.find(({ name }) => name === 'Look') as DescMethod;
    const routes = (router: ConnectRouter) =>
      router.service(service, {
        say: (
          request: Message,
          { requestHeader, responseHeader }: { requestHeader: Headers; responseHeader: Headers },
        ) => {
          responseHeader.set(
            'x-seen',
            `${requestHeader.get('micro-namespace')} ${requestHeader.get('connect-timeout-ms')}`,
          );
          return request;
        },
        look: () => {
          throw new ConnectError('burnt', Code.FailedPrecondition, { 'x-why': 'hot' }, [
            { desc: look.input, value: create(look.input, { text: 'why' } as never) as never },
          ]);
        },
      } as never);
    server = createServer(connectNodeAdapter({ routes, acceptCompression: [] })).listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = new Client({ discovery: new Nodes(`127.0.0.1:${(server.address() as AddressInfo).port}`) });
  });
  afterAll(async () => {
    await client.close();
    server.close();
  });

  it('answers', async () => {
    let seen: string | undefined;
    const answer = await client
      .of(Echo)
      .say(
        { text: 'hi', count: 7 },
        { timeout: 4_000, namespace: 'acme', onHeaders: (headers) => (seen = headers.get('x-seen')) },
      );
    expect(answer).toEqual({ text: 'hi', count: 7 });
    expect(seen).toMatch(/^acme (3\d{3}|4000)$/);
    expect(await client.json('echo', '/echo.Echo/Say', { text: 'hi' })).toEqual({ text: 'hi' });
  });

  it('fails with code, detail, details and metadata', async () => {
    const error: MicroError = await client
      .of(Echo)
      .look({})
      .then(
        () => expect.unreachable(),
        (thrown) => thrown,
      );
    expect(error).toMatchObject({ code: 'failed_precondition', detail: 'burnt', metadata: { 'x-why': ['hot'] } });
    expect(error.details.map(({ type, value }) => [type, note.decode(value)])).toEqual([
      ['echo.Note', { text: 'why', count: 0 }],
    ]);
  });
});

describe('a service on grpc-js', () => {
  let server: Server;
  let client: Client;

  beforeAll(async () => {
    const path = (name: string) => ({
      path: `/echo.Echo/${name}`,
      requestSerialize: (value: Note) => Buffer.from(note.encode(value)),
      requestDeserialize: (bytes: Buffer) => note.decode(bytes),
      responseSerialize: (value: Note) => Buffer.from(note.encode(value)),
      responseDeserialize: (bytes: Buffer) => note.decode(bytes),
    });
    server = new Server();
    server.addService(
      {
        say: { ...path('Say'), requestStream: false, responseStream: false },
        look: { ...path('Look'), requestStream: false, responseStream: false },
        both: { ...path('Both'), requestStream: true, responseStream: true },
      },
      {
        say: (call: ServerUnaryCall<Note, Note>, answer: sendUnaryData<Note>) =>
          answer(null, { text: `${call.request.text} ${call.metadata.get('micro-namespace')}`, count: 1 }),
        look: (_call: unknown, answer: sendUnaryData<Note>) => {
          const metadata = new GrpcMetadata();
          metadata.set('x-why-bin', Buffer.from([1, 255]));
          answer({ code: status.FAILED_PRECONDITION, details: 'burnt ☠', metadata });
        },
        both: (call: ServerDuplexStream<Note, Note>) => {
          call.on('data', (one: Note) => call.write(one));
          call.on('end', () => call.end());
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    client = new Client({ discovery: new Nodes({ address: `127.0.0.1:${port}`, connect: false }) });
  });
  afterAll(async () => {
    await client.close();
    server.forceShutdown();
  });

  it('answers unary calls and streams', async () => {
    expect(await client.of(Echo).say({ text: 'hi' }, { namespace: 'acme' })).toEqual({ text: 'hi acme', count: 1 });
    expect(await collect(client.of(Echo).both([{ text: 'a' }, { text: 'b' }]))).toMatchObject([
      { text: 'a' },
      { text: 'b' },
    ]);
  });

  it('fails with code, detail and metadata', async () => {
    const error: MicroError = await client
      .of(Echo)
      .look({})
      .then(
        () => expect.unreachable(),
        (thrown) => thrown,
      );
    expect(error).toMatchObject({
      code: 'failed_precondition',
      detail: 'burnt ☠',
      metadata: { 'x-why-bin': ['Af8='] },
    });
  });
});
