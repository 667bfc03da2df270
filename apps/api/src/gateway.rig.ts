import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { MicroError } from '@micro/errors';
import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import { endpointsOf, type MethodTypes, parseSchema, type ServiceDefinition } from '@micro/proto';
import { type Endpoint, openRegistry, type Registry, type Service } from '@micro/registry';
import { type Handlers, RpcServer } from '@micro/rpc';
import { silentLogger } from '@micro/telemetry';
import { apiApp } from './api.app.js';

/** For specs: the gateway in this process on a free port, in front of services registered in memory. */
export interface Rig extends AsyncDisposable {
  readonly app: RunningApp;
  readonly registry: Registry;
  readonly address: string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Serves and registers; `change` adapts the registration. */
  serve<M extends MethodTypes>(
    definition: ServiceDefinition<M>,
    handlers: Handlers<ServiceDefinition<M>>,
    options?: ServeOptions,
  ): Promise<RpcServer>;
}

export interface ServeOptions {
  readonly name?: string;
  readonly namespace?: string;
  readonly change?: (service: Service) => Service;
}

export async function startRig(environment: Readonly<Record<string, string>> = {}): Promise<Rig> {
  const registry = await openRegistry({ adapter: 'memory' });
  const app = await startApp(apiApp, {
    environment: readEnvironment({
      MICRO_PROFILE: 'test',
      MICRO_ADDRESS: '127.0.0.1:0',
      MICRO_HOME: '/nonexistent',
      ...environment,
    }),
    registry,
    logger: silentLogger,
  });
  const servers: RpcServer[] = [];
  return {
    app,
    registry,
    address: app.address,
    fetch: (path, init) => fetch(`http://${app.address}${path}`, init),
    async serve(
      definition,
      handlers,
      { name = definition.package, namespace, change = (service: Service) => service } = {},
    ) {
      const server = new RpcServer({ name }).add(definition, handlers);
      await server.listen();
      servers.push(server);
      await registry.register(change(described(definition, { name, address: server.address })), { namespace });
      return server;
    },
    async [Symbol.asyncDispose]() {
      await app.stop();
      for (const server of servers) await server.close({ graceMs: 0 });
      await registry.close();
    },
  };
}

/** A service as it registers itself. */
export function described(
  definition: ServiceDefinition,
  { name, address, protocol = 'connect,grpc' }: { name: string; address: string; protocol?: string },
): Service {
  return {
    name,
    version: '1',
    metadata: {},
    endpoints: endpointsOf(definition) as Endpoint[],
    nodes: [{ id: `${name}-${address}`, address, metadata: { protocol } }],
    schema: definition.schema.descriptorSet(),
  };
}

/** Sends bytes on a bare connection and reads all that comes back until it closes. */
export function raw(address: string, ...parts: (string | Buffer)[]): Promise<string> {
  const [host, port] = address.split(':') as [string, string];
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', () => resolve(text));
    socket.on('error', (error: NodeJS.ErrnoException) => (text === '' ? reject(error) : undefined));
    for (const part of parts) socket.write(part);
  });
}

/** A request whose target goes out as it is written, which `fetch` would clean. */
export function get(
  address: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; json: unknown; headers: Record<string, unknown> }> {
  const [host, port] = address.split(':') as [string, string];
  return new Promise((resolve, reject) => {
    httpRequest({ host, port, path: target, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          json: text === '' ? undefined : JSON.parse(text),
          headers: response.headers,
        });
      });
    })
      .on('error', reject)
      .end();
  });
}

export const schema = parseSchema({
  'everything.proto': `syntax = "proto3"; package everything;
    import "google/api/annotations.proto"; import "google/protobuf/empty.proto"; import "google/protobuf/timestamp.proto";
    enum Mood { UNKNOWN = 0; GLAD = 1; }
    message Inner { string first_name = 1; int32 age = 2; Inner inner = 3; }
    message Thing {
      string name = 1; int64 big = 2; bool flag = 3; Mood mood = 4; Inner inner = 5; repeated string tags = 6; bytes data = 7;
      google.protobuf.Timestamp at = 8; double real = 9;
    }
    message Answer { Thing thing = 1; repeated string names = 2; map<string, string> metadata = 3; }
    message Wait { int32 ms = 1; }
    message Fault { string code = 1; string detail = 2; }
    service Everything {
      rpc Call(Thing) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
      rpc Metadata(Thing) returns (Answer);
      rpc Nothing(Thing) returns (google.protobuf.Empty);
      rpc Slow(Wait) returns (Thing);
      rpc Fail(Fault) returns (Thing);
      rpc Stream(Wait) returns (stream Thing);
      rpc Collect(stream Thing) returns (Thing);
      rpc Get(Thing) returns (Answer) {
        option (google.api.http) = {
          get: "/v1/{name=things/*}"
          additional_bindings { post: "/v1/things" body: "inner" }
          additional_bindings { put: "/v1/{name=things/*}:touch" body: "*" response_body: "thing" }
          additional_bindings { get: "/v1/{name=things/*}/names" response_body: "names" }
        };
      }
    }`,
});

/** What each method of the schema's service answers. */
export const everything = schema.service('everything.Everything');

interface Thing {
  readonly name: string;
}

export function everythingHandlers(seen: { canceled?: boolean } = {}): Handlers<typeof everything> {
  return {
    call: (thing: Thing) => thing,
    get: (thing: Thing) => ({ thing, names: [] }),
    metadata: (
      _: Thing,
      context: {
        metadata: Iterable<readonly [string, unknown]>;
        responseHeaders: { set(name: string, value: string): unknown };
        responseTrailers: { set(name: string, value: string): unknown };
      },
    ) => {
      context.responseHeaders.set('x-header', 'h');
      context.responseTrailers.set('x-trailer', 't');
      return { metadata: Object.fromEntries([...context.metadata].map(([name, value]) => [name, String(value)])) };
    },
    nothing: () => ({}),
    slow: ({ ms }: { ms: number }, { signal }: { signal: AbortSignal }) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => resolve({ name: 'late' }), ms);
        signal.addEventListener('abort', () => {
          clearTimeout(timer);
          seen.canceled = true;
          reject(signal.reason as Error);
        });
      }),
    stream: async function* ({ ms }: { ms: number }, { signal }: { signal: AbortSignal }) {
      if (ms < 0) throw new MicroError('failed_precondition', 'no stream today', { id: 'everything.rule' });
      signal.addEventListener('abort', () => (seen.canceled = true));
      for (let index = 0; index < ms; index++) yield { name: String(index) };
      if (ms === 7) throw new MicroError('aborted', 'seven is enough', { id: 'everything.rule' });
      if (ms === 9) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    fail: ({ code, detail }: { code: string; detail: string }) => {
      if (code === 'exception') throw new TypeError(detail);
      throw new MicroError(code as 'not_found', detail, { id: 'everything.rule' });
    },
  } as unknown as Handlers<typeof everything>;
}
