import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach } from 'vitest';
import { MicroError } from '@micro/errors';
import { endpointsOf, parseSchema, registryProto, runtimeProto, type ServiceDefinition } from '@micro/proto';
import { type Handlers, RpcServer } from '@micro/rpc';
import { runProgram } from './program.js';

const schema = parseSchema({
  'helloworld.proto': `syntax = "proto3";
    package helloworld;
    // Greets, counts and plays.
    service Helloworld {
      // Says hello. Politely.
      rpc Call(CallRequest) returns (CallResponse);
      // Counts up to a number.
      rpc Stream(StreamRequest) returns (stream StreamResponse);
      // Answers each ping with a pong.
      rpc PingPong(stream Ping) returns (stream Ping);
      // Fails as it is told.
      rpc Fail(FailRequest) returns (CallResponse);
      rpc Slow(CallRequest) returns (CallResponse);
    }
    message CallRequest {
      // Whom to greet.
      string name = 1;
      Options options = 2;
      repeated string tags = 3;
    }
    message Options {
      // How loud.
      int64 volume = 1;
    }
    message CallResponse { string msg = 1; string namespace = 2; }
    message StreamRequest { int64 count = 1; }
    message StreamResponse { int64 count = 1; }
    message Ping { int32 stroke = 1; }
    message FailRequest { string code = 1; }`,
});
const helloworld = schema.service('helloworld.Helloworld');

/** A small platform: one server that is registry, runtime and a service, at the address where a proxy would be. */
export interface SmallPlatform extends AsyncDisposable {
  readonly address: string;
  readonly home: string;
  /** Services that the registry has, by namespace. */
  readonly registered: Map<string, registryProto.Service[]>;
  readonly running: runtimeProto.Service[];
  /** Runs `micro` against it. */
  micro(...args: string[]): Promise<Ran>;
  /** The same with something on standard input, or with variables of its own. */
  microWith(
    given: { readonly input?: string; readonly env?: Record<string, string>; readonly isTTY?: boolean },
    ...args: string[]
  ): Promise<Ran>;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `home`: the data directory of the commands that are run. */
export async function startSmallPlatform(home: string): Promise<SmallPlatform> {
  const registered = new Map<string, registryProto.Service[]>();
  const running: runtimeProto.Service[] = [];
  const server = new RpcServer({ name: 'helloworld', host: '127.0.0.1', port: 0 })
    .add(helloworld, helloworldHandlers as Handlers<ServiceDefinition>)
    .add(registryProto.Registry, registryHandlers(registered))
    .add(runtimeProto.Runtime, runtimeHandlers(running));
  const { port } = await server.listen();
  const address = `127.0.0.1:${port}`;
  registered.set('micro', [
    serviceOf('helloworld', helloworld, address),
    serviceOf('registry', registryProto.Registry, address),
  ]);
  const microWith: SmallPlatform['microWith'] = ({ input, env, isTTY }, ...args) =>
    runMicro(args, {
      input,
      isTTY,
      env: { MICRO_HOME: home, MICRO_PROXY_ADDRESS: address, PATH: process.env['PATH'], ...env },
    });
  return {
    address,
    home,
    registered,
    running,
    micro: (...args) => microWith({}, ...args),
    microWith,
    [Symbol.asyncDispose]: () => server.close({ graceMs: 0 }),
  };
}

/** A platform for each test of the file that calls this, in a folder of its own. */
export function eachWithPlatform(): () => SmallPlatform {
  let platform: SmallPlatform;
  beforeEach(async () => {
    platform = await startSmallPlatform(await mkdtemp(join(tmpdir(), 'micro-test-')));
  });
  afterEach(async () => {
    await platform[Symbol.asyncDispose]();
    await rm(platform.home, { recursive: true, force: true });
  });
  return () => platform;
}

/** One command line in this process, its output caught. */
export async function runMicro(
  args: readonly string[],
  given: { readonly input?: string; readonly env: Record<string, string | undefined>; readonly isTTY?: boolean },
): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const { isTTY = false } = given;
  const stdin = Object.assign(Readable.from(given.input === undefined ? [] : [Buffer.from(given.input)]), {
    isTTY: given.input === undefined,
  });
  const code = await runProgram(args, given.env, {
    stdin,
    stdout: { write: (data) => (stdout += textOf(data)), isTTY },
    stderr: { write: (data) => (stderr += textOf(data)), isTTY: false },
  });
  return { code, stdout, stderr };
}

function textOf(data: string | Uint8Array): string {
  return typeof data === 'string' ? data : Buffer.from(data).toString('utf8');
}

export function serviceOf(name: string, service: ServiceDefinition, address: string): registryProto.Service {
  const { MethodKind, Idempotency } = registryProto;
  const kinds = {
    unary: MethodKind.UNARY,
    clientStream: MethodKind.CLIENT_STREAM,
    serverStream: MethodKind.SERVER_STREAM,
    bidiStream: MethodKind.BIDI_STREAM,
  };
  const endpoints = endpointsOf(service).map((endpoint) => ({
    ...endpoint,
    kind: kinds[endpoint.kind],
    idempotency: Idempotency.UNKNOWN,
    metadata: {},
  }));
  return {
    name,
    version: '1.0.0',
    metadata: {},
    endpoints,
    nodes: [{ id: `${name}-1`, address, metadata: { protocol: 'connect,grpc' } }],
    schema: service.schema.descriptorSet(),
  };
}

const helloworldHandlers = {
  call: ({ name }: { name: string }, { namespace }: { namespace: string }) => ({
    msg: `Hello ${name}`,
    namespace: namespace === 'micro' ? '' : namespace,
  }),
  async *stream({ count }: { count: bigint }) {
    for (let n = 1n; n <= count; n++) yield { count: n };
  },
  async *pingPong(pings: AsyncIterable<{ stroke: number }>) {
    for await (const { stroke } of pings) yield { stroke };
  },
  fail: ({ code }: { code: string }) => {
    throw new MicroError(code as 'internal', `failed with ${code}`, { id: 'helloworld' });
  },
  slow: async (_request: object, { signal }: { signal: AbortSignal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    return {};
  },
};

function registryHandlers(registered: Map<string, registryProto.Service[]>): Handlers<typeof registryProto.Registry> {
  const of = (namespace: string) => registered.get(namespace) ?? [];
  return {
    listServices: (_request, { namespace }) => ({ services: of(namespace) }),
    getService: ({ name }, { namespace }) => {
      const services = of(namespace).filter((service) => service.name === name);
      if (services.length === 0)
        throw new MicroError('not_found', `service ${name} is not registered`, { id: 'registry' });
      return { services };
    },
    register: ({ service }, { namespace }) => {
      if (service) registered.set(namespace, [...of(namespace), service]);
      return {};
    },
    deregister: ({ service }, { namespace }) => {
      registered.set(
        namespace,
        of(namespace).filter(({ name }) => name !== service?.name),
      );
      return {};
    },
  };
}

function runtimeHandlers(running: runtimeProto.Service[]): Handlers<typeof runtimeProto.Runtime> {
  const { Status } = runtimeProto;
  const find = (name: string) => {
    const service = running.find((one) => one.name === name);
    if (!service) throw new MicroError('not_found', `no service ${name} runs`, { id: 'runtime' });
    return service;
  };
  return {
    async *create({ name, version, source, metadata, instances, command, env, force, watch }) {
      if (running.some((one) => one.name === name) && !force)
        throw new MicroError('already_exists', `${name} runs already: use --force or micro update`, { id: 'runtime' });
      yield { status: Status.BUILDING, step: 'building' };
      const broken = name === 'broken';
      if (broken) yield { status: Status.ERROR, step: 'broken-1 build failed\nsrc/main.ts:1:1 no' };
      const service: runtimeProto.Service = {
        name: name || 'helloworld',
        version: version || 'latest',
        source,
        metadata: { ...metadata, env: JSON.stringify(env) },
        command,
        watch,
        status: broken ? Status.ERROR : Status.RUNNING,
        message: broken ? 'build failed\nsrc/main.ts:1:1 no' : '',
        instances: [
          {
            id: 'i1',
            status: Status.RUNNING,
            message: '',
            pid: 4242,
            address: '127.0.0.1:4',
            restarts: 1,
            startedMs: BigInt(Date.now()),
          },
        ],
        updatedMs: BigInt(Date.now()),
        wanted: instances || 1,
      };
      running.push(service);
      yield { status: service.status, step: 'done', service };
    },
    read: ({ name }) => ({ services: running.filter((service) => name === '' || service.name === name) }),
    async *update({ name, instances }) {
      const service = { ...find(name), wanted: instances ?? 1 };
      yield { status: service.status, step: 'done', service };
    },
    delete: ({ name }) => {
      running.splice(running.indexOf(find(name)), 1);
      return {};
    },
    async *logs({ name, lines, follow }) {
      find(name);
      for (let line = 1; line <= (lines || 3); line++)
        yield {
          timeMs: 1_700_000_000_000n,
          instance: 'i1',
          stream: 'stdout',
          text: `line ${line}${follow ? ' followed' : ''}`,
        };
    },
  };
}
