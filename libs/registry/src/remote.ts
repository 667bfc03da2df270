import { MicroError } from '@micro/errors';
import { registryProto } from '@micro/proto';
import type { CallOptions, Client, ClientOf } from '@micro/rpc';
import { fromEventMessage, fromMessage, toMessage } from './messages.js';
import { type RegisterOptions, Registry, type RegistryEvent, type RegistryOptions, type Service, type WatchOptions } from './registry.js';

/** The registry of apps/registry, over RPC: what user services get. The client belongs to whoever gives it, and stays open. */
export class RemoteRegistry extends Registry {
  readonly #calls: ClientOf<typeof registryProto.Registry>;
  readonly #closing = new AbortController();

  constructor(client: Client) {
    super();
    this.#calls = client.of(registryProto.Registry);
  }

  async register(service: Service, options: RegisterOptions = {}): Promise<void> {
    await this.#calls.register({ service: toMessage(service), ttlMs: options.ttl ?? 0 }, this.#options(options));
  }

  async deregister(service: Pick<Service, 'name' | 'version' | 'nodes'>, options: RegistryOptions = {}): Promise<void> {
    const { name, version, nodes } = service;
    await this.#calls.deregister({ service: { name, version, nodes: nodes.map(({ id }) => ({ id })) } }, this.#options(options));
  }

  async get(name: string, options: RegistryOptions = {}): Promise<readonly Service[]> {
    try {
      const { services } = await this.#calls.getService({ name }, this.#options(options));
      return services.map(fromMessage);
    } catch (error) {
      if (error instanceof MicroError && error.code === 'not_found' && error.id === 'registry') return [];
      throw error;
    }
  }

  async list(options: RegistryOptions = {}): Promise<readonly Service[]> {
    const { services } = await this.#calls.listServices({}, this.#options(options));
    return services.map(fromMessage);
  }

  async *watch(options: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
    try {
      for await (const event of this.#calls.watch({ name: options.name ?? '' }, { ...this.#options(options), signal, timeout: Infinity })) {
        yield fromEventMessage(event);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  #options({ namespace }: RegistryOptions): CallOptions {
    return { namespace, signal: this.#closing.signal };
  }
}
