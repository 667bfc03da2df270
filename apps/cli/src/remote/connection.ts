import type { Idempotency, JsonValue, MessageCodec, MethodDefinition } from '@micro/proto';
import type { CallOptions, Client } from '@micro/rpc';
import { type CallOrigin, exitCodes, Failure, failureOfCall } from '../failure.js';
import { servicesOf, type ServiceView } from './service-view.js';

export interface ConnectionOptions {
  /** `host:port` of the proxy. */
  readonly address: string;
  /** Where that address comes from, for messages. */
  readonly origin: string;
  readonly namespace: string;
}

/** How to call, beyond what to call. */
export interface CallSettings {
  /** Default: the connection's. */
  readonly namespace?: string;
  /** `host:port` of a node to call instead of going through the proxy. */
  readonly address?: string;
  /** Milliseconds. Default: 5,000 for an answer, none for a stream. */
  readonly timeout?: number;
  readonly metadata?: Readonly<Record<string, string | string[]>>;
  /** Whether it may be tried twice. */
  readonly idempotency?: Idempotency;
}

/** The way to everything: an environment's proxy. All errors are Failures. */
export class Connection {
  #client: Client | undefined;

  constructor(readonly options: ConnectionOptions) {}

  /** A unary call in JSON: no schema is needed, and no gRPC is loaded. */
  async call(service: string, path: string, body: JsonValue, settings: CallSettings = {}): Promise<JsonValue> {
    const client = await this.client();
    try {
      return await client.json(service, path, body, this.#callOptions(service, settings));
    } catch (error) {
      throw failureOfCall(error, this.#origin(service, settings));
    }
  }

  /** A call of any kind, each message as JSON, over gRPC. */
  async *stream(
    service: string,
    method: MethodDefinition,
    requests: AsyncIterable<JsonValue> | Iterable<JsonValue>,
    settings: CallSettings = {},
  ): AsyncGenerator<JsonValue> {
    const client = await this.client();
    const options = this.#callOptions(service, settings);
    try {
      const messages = decoded(method.input, requests);
      switch (method.kind) {
        case 'unary':
          yield method.output.toJson(await client.unary(method, await firstOf(messages), options));
          return;
        case 'clientStream':
          yield method.output.toJson(await client.clientStream(method, messages, options));
          return;
        case 'serverStream':
          for await (const message of client.serverStream(method, await firstOf(messages), options))
            yield method.output.toJson(message);
          return;
        case 'bidiStream':
          for await (const message of client.bidiStream(method, messages, options)) yield method.output.toJson(message);
      }
    } catch (error) {
      throw failureOfCall(error, this.#origin(service, settings));
    }
  }

  /**
   * Services of a namespace, by name and version: all, or all versions of one. What is not there is an empty list. Topics that somebody is
   * subscribed to are in the registry as well, but are nothing to call: of them all only the one that is asked for is told.
   */
  async services(name?: string, namespace = this.options.namespace): Promise<ServiceView[]> {
    if (name === undefined) {
      const services = servicesOf(await this.#registry('ListServices', {}, namespace), namespace);
      return services.filter(({ metadata }) => metadata['kind'] !== 'topic');
    }
    try {
      return servicesOf(await this.#registry('GetService', { name }, namespace), namespace);
    } catch (error) {
      const { cause } = error as Failure;
      if (
        (cause as { code?: string; id?: string } | undefined)?.code === 'not_found' &&
        (cause as { id?: string }).id === 'registry'
      )
        return [];
      throw error;
    }
  }

  /** For typed calls of platform services. */
  async client(): Promise<Client> {
    if (!this.#client) {
      refuseTls(this.options);
      const { proxyClient } = await import('./client.js');
      this.#client = proxyClient(this.options.address, this.options.namespace);
    }
    return this.#client;
  }

  /** An error of a typed call, as a Failure. */
  failure(error: unknown, service: string): Failure {
    return failureOfCall(error, this.#origin(service, {}));
  }

  async close(): Promise<void> {
    await this.#client?.close();
    this.#client = undefined;
  }

  #registry(method: string, body: JsonValue, namespace: string): Promise<JsonValue> {
    return this.call('registry', `/registry.Registry/${method}`, body, { namespace, idempotency: 'noSideEffects' });
  }

  #callOptions(service: string, { namespace, ...settings }: CallSettings): CallOptions & { idempotency?: Idempotency } {
    return { ...settings, service, namespace: namespace ?? this.options.namespace };
  }

  #origin(service: string, { address }: CallSettings): CallOrigin {
    return address === undefined
      ? { service, address: this.options.address, environment: this.options.origin }
      : { service, address, environment: '--address' };
  }
}

/** Whoever listens on the port of HTTPS expects TLS, which is spoken to no proxy yet: said instead of waiting for what cannot succeed. */
function refuseTls({ address, origin }: ConnectionOptions): void {
  if (!address.endsWith(':443')) return;
  throw new Failure(
    `${address} (${origin}) is reached over TLS, which this version of micro does not speak: choose an environment without, as \`micro env set local\` or \`micro env add NAME HOST:PORT\`, or --proxy-address`,
    { exitCode: exitCodes.unreachable },
  );
}

async function* decoded(
  codec: MessageCodec,
  messages: AsyncIterable<JsonValue> | Iterable<JsonValue>,
): AsyncGenerator<object> {
  for await (const message of messages) yield codec.fromJson(message);
}

async function firstOf(messages: AsyncIterable<object>): Promise<object> {
  for await (const message of messages) return message;
  return {};
}
