import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js';
import { parseSchema, type ServiceDefinition } from '@micro/proto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { described, type Rig, startRig } from './gateway.rig.js';

const schema = parseSchema({
  'inner.proto': 'syntax = "proto3"; package greeter; message Name { string first_name = 1; }',
  'greeter.proto': `syntax = "proto3"; package greeter; import "inner.proto";
    message Request { Name name = 1; int64 times = 2; }
    message Response { string msg = 1; int64 times = 2; }
    service Greeter { rpc Call(Request) returns (Response); rpc Fail(Request) returns (Response); }`,
});
const greeter = schema.service('greeter.Greeter');

let rig: Rig;
const servers: Server[] = [];

beforeAll(async () => void (rig = await startRig()));
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  for (const server of servers) server.forceShutdown();
});

const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
  rig.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

it('takes JSON through the schema that it registered, and gives errors and metadata back', async () => {
  const address = await serve();
  await rig.registry.register(described(greeter, { name: 'greeter', address, protocol: 'grpc' }));
  const answer = await post('/greeter/call?name.first_name=Al', { times: '9007199254740993' }, { 'x-user': 'u' });
  expect(await answer.json()).toEqual({ msg: 'Hello Al of u', times: '9007199254740993' });
  expect(answer.headers.get('x-answer')).toBe('42');
  expect(await (await post('/greeter/call', { name: { firstName: 'Al' }, unknown: 1 })).json()).toMatchObject({
    msg: 'Hello Al of nobody',
  });
  const failed = await post('/greeter/fail', {});
  expect([failed.status, await failed.json()]).toEqual([
    409,
    { id: 'greeter', code: 'already_exists', detail: 'greeted before', status: 409 },
  ]);
  const wrong = await post('/greeter/call', { times: 'many' });
  expect([wrong.status, await wrong.json()]).toEqual([
    400,
    expect.objectContaining({ code: 'invalid_argument', detail: expect.stringContaining('times') }),
  ]);
  const binary = await post('/greeter/call', { times: 3 }, { accept: 'application/protobuf' });
  expect(schema.message('greeter.Response').decode(new Uint8Array(await binary.arrayBuffer()))).toMatchObject({
    times: 3n,
  });
});

it.each(['v1', 'v1alpha'])('tells its schema by reflection %s where it registered none', async (version) => {
  const name = `silent-${version}`;
  const address = await serve((server) => addReflection(server, version));
  await rig.registry.register({
    name,
    version: '1',
    metadata: {},
    endpoints: [],
    nodes: [{ id: name, address, metadata: { protocol: 'grpc' } }],
  });
  expect(await (await post(`/${name}/greeter/call`, { name: { first_name: 'Al' } })).json()).toEqual({
    msg: 'Hello Al of nobody',
  });
  expect(await (await post(`/${name}/greeter/cal`, {})).json()).toMatchObject({
    code: 'not_found',
    detail: expect.stringContaining('Greeter.Call'),
  });
});

it('that tells nothing at all is refused, saying why', async () => {
  const address = await serve();
  await rig.registry.register({
    name: 'mute',
    version: '1',
    metadata: {},
    endpoints: [],
    nodes: [{ id: 'mute', address, metadata: { protocol: 'grpc' } }],
  });
  const answer = await post('/mute/greeter/call', {});
  expect([answer.status, await answer.json()]).toEqual([
    400,
    expect.objectContaining({ code: 'failed_precondition', detail: expect.stringContaining('reflection') }),
  ]);
});

/** A plain grpc-js server, which speaks no Connect. */
async function serve(extend: (server: Server) => void = () => undefined): Promise<string> {
  const server = new Server();
  servers.push(server);
  server.addService(grpcDefinition(greeter), {
    Call: ((call, done) => {
      const headers = new Metadata();
      headers.set('x-answer', '42');
      call.sendMetadata(headers);
      const { name, times } = call.request as { name?: { firstName: string }; times: bigint };
      done(null, { msg: `Hello ${name?.firstName ?? 'you'} of ${call.metadata.get('x-user')[0] ?? 'nobody'}`, times });
    }) satisfies handleUnaryCall<unknown, unknown>,
    Fail: ((_, done) => done({ code: status.ALREADY_EXISTS, details: 'greeted before' })) satisfies handleUnaryCall<
      unknown,
      unknown
    >,
  });
  extend(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return `127.0.0.1:${port}`;
}

function grpcDefinition(service: ServiceDefinition): Parameters<Server['addService']>[0] {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.name,
      {
        path: method.path,
        requestStream: method.kind !== 'unary',
        responseStream: method.kind !== 'unary',
        requestSerialize: (message: object) => Buffer.from(method.input.encode(message)),
        requestDeserialize: (bytes: Buffer) => method.input.decode(bytes),
        responseSerialize: (message: object) => Buffer.from(method.output.encode(message)),
        responseDeserialize: (bytes: Buffer) => method.output.decode(bytes),
      },
    ]),
  );
}

/** The least that a reflection service can be: one file an answer, without the files that it imports. */
function addReflection(server: Server, version: string): void {
  const protocol = parseSchema({
    'reflection.proto': `syntax = "proto3"; package grpc.reflection.${version};
      message ServerReflectionRequest { string host = 1; oneof message_request { string file_by_filename = 3; string file_containing_symbol = 4; string list_services = 7; } }
      message ServerReflectionResponse { oneof message_response { Files file_descriptor_response = 4; Services list_services_response = 6; } }
      message Files { repeated bytes file_descriptor_proto = 1; }
      message Services { repeated Name service = 1; }
      message Name { string name = 1; }
      service ServerReflection { rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse); }`,
  });
  server.addService(grpcDefinition(protocol.service(`grpc.reflection.${version}.ServerReflection`)), {
    ServerReflectionInfo(call: ServerDuplexStream<Record<string, string | undefined>, unknown>) {
      call.on('data', ({ fileByFilename, fileContainingSymbol, listServices }: Record<string, string | undefined>) => {
        const file = fileByFilename ?? (fileContainingSymbol && schema.fileOf(fileContainingSymbol)) ?? '';
        if (listServices !== undefined)
          call.write({
            listServicesResponse: {
              service: [{ name: 'greeter.Greeter' }, { name: `grpc.reflection.${version}.ServerReflection` }],
            },
          });
        else call.write({ fileDescriptorResponse: { fileDescriptorProto: [schema.files().get(file) as Uint8Array] } });
      });
      call.on('end', () => call.end());
    },
  });
}
