import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import grpc from '@grpc/grpc-js';
import { parseSchema } from '@micro/proto';
import { haveTool, run, startPlatform, type TestPlatform, toolPath, until, workspaceRoot } from '@micro/testing';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const proto = `${workspaceRoot}examples/helloworld/proto/helloworld.proto`;
const grpcurl = haveTool({ name: 'grpcurl', go: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3' });

describe('programs of others', () => {
  let platform: TestPlatform;
  let service: string;
  beforeAll(async () => {
    platform = await startPlatform();
    expect(await platform.micro('run', `${workspaceRoot}examples/helloworld`)).toMatchObject({ code: 0 });
    const [status] = JSON.parse((await platform.micro('get', 'service', 'helloworld', '-o', 'json')).stdout) as [
      { nodes: [{ address: string }] },
    ];
    service = status.nodes[0].address;
  });
  afterAll(() => platform?.stop());

  const doors = [
    ['the service itself', () => service],
    ['the proxy', () => platform.address.proxy],
  ] as const;

  it('curl calls the service on its own port', async () => {
    const { stdout } = await run('curl', [
      '-s',
      '-d',
      '{"name":"Alice"}',
      `http://${service}/helloworld.Helloworld/Call`,
    ]);
    expect(stdout).toBe('{"msg":"Hello Alice"}');
  });

  it('curl reads health and metrics of the service', async () => {
    expect(
      (await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', `http://${service}/healthz`])).stdout,
    ).toBe('200');
    expect((await run('curl', ['-s', `http://${service}/metrics`])).stdout).toContain(
      'micro_rpc_server_duration_seconds',
    );
  });

  describe.each(doors)('through %s', (_name, address) => {
    it.skipIf(!grpcurl)('grpcurl lists, describes and calls by reflection alone', async () => {
      const ask = (...args: string[]) =>
        run('grpcurl', ['-plaintext', ...args], { env: { ...process.env, PATH: toolPath() } });
      expect((await ask(address(), 'list')).stdout.split('\n')).toContain('helloworld.Helloworld');
      expect((await ask(address(), 'describe', 'helloworld.Helloworld')).stdout).toContain('rpc PingPong ( stream');
      const called = await ask('-d', '{"name":"Alice"}', address(), 'helloworld.Helloworld/Call');
      expect(JSON.parse(called.stdout)).toEqual({ msg: 'Hello Alice' });
      const streamed = await ask('-d', '{"count":3}', address(), 'helloworld.Helloworld/Stream');
      expect(streamed.stdout.match(/"count"/g)).toHaveLength(3);
      const health = await ask(address(), 'grpc.health.v1.Health/Check');
      expect(JSON.parse(health.stdout)).toEqual({ status: 'SERVING' });
    });

    it('a plain grpc-js client calls all kinds', async () => {
      const client = grpcClient(address());
      try {
        expect(await client.unary('Call', { name: 'Alice' })).toEqual({ msg: 'Hello Alice' });
        expect((await client.serverStream('Stream', { count: 3 })).length).toBe(3);
        expect(await client.bidi('PingPong', [{ stroke: 1 }, { stroke: 2 }])).toHaveLength(2);
        await expect(client.unary('Missing', {})).rejects.toMatchObject({ code: grpc.status.UNIMPLEMENTED });
      } finally {
        client.close();
      }
    });

    it('official Connect clients call over Connect and over gRPC', async () => {
      const { Helloworld } = await connectDefinition();
      const baseUrl = `http://${address()}`;
      for (const transport of [
        createConnectTransport({ baseUrl, httpVersion: '1.1' }),
        createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: true }),
        createGrpcTransport({ baseUrl }),
      ]) {
        const client = createClient(Helloworld, transport) as unknown as {
          call(request: object): Promise<{ msg: string }>;
        };
        expect((await client.call({ name: 'Alice' })).msg).toBe('Hello Alice');
      }
    });
  });

  it.skipIf(!grpcurl)('grpcurl sees the whole platform at the proxy', async () => {
    const { stdout } = await run('grpcurl', ['-plaintext', platform.address.proxy, 'list'], {
      env: { ...process.env, PATH: toolPath() },
    });
    for (const name of ['helloworld.Helloworld', 'registry.Registry', 'runtime.Runtime'])
      expect(stdout.split('\n')).toContain(name);
  });

  it('a service of another make, which only speaks gRPC, is called through gateway and proxy', async () => {
    const server = new grpc.Server();
    server.addService(plainDefinition(), {
      Call: (call: grpc.ServerUnaryCall<{ name: string }, object>, done: grpc.sendUnaryData<object>) =>
        done(null, { msg: `Hei ${call.request.name}` }),
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    try {
      const registered = await fetch(`http://${platform.address.registry}/registry.Registry/Register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ service: foreignService(`127.0.0.1:${port}`) }),
      });
      expect(await registered.text()).toBe('{}');
      const client = grpcClient(platform.address.proxy, 'foreign.Foreign');
      const answer = await until('the proxy knows the service', () => client.unary('Call', { name: 'Alice' }));
      expect(answer).toEqual({ msg: 'Hei Alice' });
      client.close();
      const body = JSON.stringify({ name: 'Bob' });
      const throughGateway = await fetch(`http://${platform.address.api}/foreign/call`, { method: 'POST', body });
      expect(await throughGateway.json()).toEqual({ msg: 'Hei Bob' });
    } finally {
      server.forceShutdown();
    }
  });
});

/** A client as the grpc-js documentation makes one, on messages of the example's .proto. */
function grpcClient(address: string, service = 'helloworld.Helloworld') {
  const root = protobuf.loadSync(proto);
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const methods = root.lookupService('helloworld.Helloworld').methods;
  const codec = (method: string) => {
    const { requestType, responseType } = methods[method] ?? {
      requestType: 'CallRequest',
      responseType: 'CallResponse',
    };
    const request = root.lookupType(`helloworld.${requestType.split('.').at(-1)}`);
    const response = root.lookupType(`helloworld.${responseType.split('.').at(-1)}`);
    return {
      path: `/${service}/${method}`,
      write: (value: object) => Buffer.from(request.encode(value).finish()),
      read: (bytes: Buffer) => response.toObject(response.decode(bytes), { longs: Number }),
    };
  };
  return {
    unary: (method: string, value: object) =>
      new Promise<object>((resolve, reject) => {
        const { path, write, read } = codec(method);
        client.makeUnaryRequest(path, write, read, value, (error, answer) =>
          error ? reject(error) : resolve(answer as object),
        );
      }),
    serverStream: async (method: string, value: object) => {
      const { path, write, read } = codec(method);
      const messages: object[] = [];
      for await (const message of client.makeServerStreamRequest(path, write, read, value)) messages.push(message);
      return messages;
    },
    bidi: async (method: string, values: object[]) => {
      const { path, write, read } = codec(method);
      const call = client.makeBidiStreamRequest(path, write, read);
      for (const value of values) call.write(value);
      call.end();
      const messages: object[] = [];
      for await (const message of call) messages.push(message);
      return messages;
    },
    close: () => client.close(),
  };
}

/** What the official client calls by, made from the same .proto. */
async function connectDefinition() {
  const schema = parseSchema({ 'helloworld.proto': readFileSync(proto, 'utf8') });
  const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, schema.descriptorSet()));
  const Helloworld = files.getService('helloworld.Helloworld');
  if (!Helloworld) throw new Error('the descriptor set lacks helloworld.Helloworld');
  return { Helloworld };
}

/** A service that knows nothing of Micro. */
function plainDefinition() {
  const root = protobuf.loadSync(proto);
  const request = root.lookupType('helloworld.CallRequest');
  const response = root.lookupType('helloworld.CallResponse');
  return {
    Call: {
      path: '/foreign.Foreign/Call',
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: object) => Buffer.from(request.encode(value).finish()),
      requestDeserialize: (bytes: Buffer) => request.toObject(request.decode(bytes)),
      responseSerialize: (value: object) => Buffer.from(response.encode(value).finish()),
      responseDeserialize: (bytes: Buffer) => response.toObject(response.decode(bytes)),
    },
  };
}

/** How whoever starts it registers it, with curl if need be. */
function foreignService(address: string) {
  const text = `syntax = "proto3"; package foreign; service Foreign { rpc Call(CallRequest) returns (CallResponse); }
    message CallRequest { string name = 1; } message CallResponse { string msg = 1; }`;
  return {
    name: 'foreign',
    version: '1.0.0',
    nodes: [{ id: 'foreign-1', address, metadata: { protocol: 'grpc' } }],
    endpoints: [
      {
        name: 'Foreign.Call',
        path: '/foreign.Foreign/Call',
        request: 'foreign.CallRequest',
        response: 'foreign.CallResponse',
      },
    ],
    schema: Buffer.from(parseSchema({ 'foreign.proto': text }).descriptorSet()).toString('base64'),
  };
}
