import { MicroError } from '@micro/errors';
import { Hosted, onLoopback, parseAddress, type Platform } from '@micro/platform';
import type { MethodTypes, ServiceDefinition } from '@micro/proto';
import { type Handlers, RpcServer, type RpcServerOptions } from '@micro/rpc';
import { packageOfProgram } from './package-of-program.js';
import { host, type ProcessOptions, unhost } from './process-platform.js';

export interface ServeOptions extends ProcessOptions {
  /** Name that others call it by. Default: MICRO_NAME, else the package of the first .proto. */
  readonly name?: string;
  /** Default: MICRO_VERSION, else the one in package.json, else `latest`. */
  readonly version?: string;
  /** `host:port` to listen on. Default: MICRO_ADDRESS, else any free port of 127.0.0.1. */
  readonly address?: string;
  /** Told to others with the node, through the registry. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** What its server takes; of messages by default as much as `MICRO_MESSAGE_LIMIT` says. */
  readonly limits?: RpcServerOptions['limits'];
}

/** A service that is running. */
export interface Served extends AsyncDisposable {
  readonly name: string;
  /** `host:port`. */
  readonly address: string;
  /** Deregisters, finishes what has begun, closes: no call is lost. */
  stop(): Promise<void>;
}

/** A service of a .proto with what answers its methods. */
export interface Implementation {
  readonly definition: ServiceDefinition;
  readonly handlers: object;
}

/** Puts a service and its handlers together, for `serve` with more than one. */
export function implement<M extends MethodTypes>(
  definition: ServiceDefinition<M>,
  handlers: Handlers<ServiceDefinition<M>>,
): Implementation {
  return { definition: definition as ServiceDefinition, handlers };
}

/**
 * Runs a service: listens, registers under its name, answers calls, and stops in good order when it is told to.
 *
 * ```ts
 * await serve(Helloworld, { call: ({ name }) => ({ msg: `Hello ${name}` }) });
 * ```
 *
 * Throws MicroError if the port is taken, the environment contradicts itself, or the registry refuses the name.
 */
export function serve<M extends MethodTypes>(
  definition: ServiceDefinition<M>,
  handlers: Handlers<ServiceDefinition<M>>,
  options?: ServeOptions,
): Promise<Served>;
/** Several services of .proto files on one port, under one name. */
export function serve(implementations: readonly Implementation[], options?: ServeOptions): Promise<Served>;
export function serve(
  first: ServiceDefinition | readonly Implementation[],
  second: object = {},
  third: ServeOptions = {},
): Promise<Served> {
  const several = Array.isArray(first);
  const implementations = several
    ? (first as readonly Implementation[])
    : [{ definition: first as ServiceDefinition, handlers: second }];
  const options = several ? (second as ServeOptions) : third;
  const definitions = implementations.map(({ definition }) => definition);
  return serveWith(definitions, options, (platform, server) => {
    const rpc = new RpcServer(server);
    for (const { definition, handlers } of implementations)
      rpc.add(definition, handlers as Handlers<ServiceDefinition>);
    return Hosted.start(platform, rpc, { name: server.name, version: server.version, metadata: options.metadata });
  });
}

export type ServerSettings = RpcServerOptions & { readonly version: string };

/** What plain handlers and Nest have in common. */
export async function serveWith(
  definitions: readonly ServiceDefinition[],
  options: ServeOptions,
  start: (platform: Platform, server: ServerSettings) => Promise<Hosted>,
): Promise<Served> {
  const [first] = definitions;
  if (!first) throw new MicroError('invalid_argument', 'nothing to serve: give at least one service');
  const fallback = first.package || first.shortName;
  const hosted = await host(options, fallback, (platform) => {
    const { config, environment, logger, metrics } = platform;
    const name = options.name ?? environment.name ?? fallback;
    const version = options.version ?? environment.version ?? packageOfProgram().version ?? 'latest';
    const { host, port } = addressOf(options.address) ?? environment.address ?? onLoopback(0);
    const limits = { messageBytes: config.limits.messageBytes, ...options.limits };
    return start(platform, { name, version, host, port, limits, logger, metrics });
  });
  const stop = () => unhost(hosted);
  return { name: hosted.name, address: hosted.address, stop, [Symbol.asyncDispose]: stop };
}

function addressOf(text: string | undefined) {
  if (text === undefined) return undefined;
  const address = parseAddress(text);
  if (!address)
    throw new MicroError(
      'invalid_argument',
      `address ${JSON.stringify(text)} is not host:port, such as 127.0.0.1:9000`,
    );
  return address;
}
