import { runtimeProto } from '@micro/proto';
import type { CallOptions, Client, ClientOf } from '@micro/rpc';
import { fromLogMessage, fromMessage, fromProgressMessage } from './messages.js';
import {
  type CreateService,
  type FollowOptions,
  type LogLine,
  type LogsQuery,
  type Progress,
  Runtime,
  type RuntimeOptions,
  type Service,
  type UpdateService,
} from './runtime.js';

/** Stopping a service takes as long as its calls take to finish. */
const deleteTimeout = 60_000;

/** The runtime of apps/runtime, over RPC. The client belongs to whoever gives it, and stays open; what runs there goes on after `close`. */
export class RemoteRuntime extends Runtime {
  readonly #calls: ClientOf<typeof runtimeProto.Runtime>;
  readonly #closing = new AbortController();

  constructor(client: Client) {
    super();
    this.#calls = client.of(runtimeProto.Runtime);
  }

  override async *create(service: CreateService, options: RuntimeOptions = {}): AsyncGenerator<Progress> {
    // 0 stands for the default on the wire, which is not what who asks for none means.
    const request = { ...service, instances: service.instances === 0 ? invalidCount : service.instances };
    for await (const step of this.#calls.create(request, this.#options(options))) yield fromProgressMessage(step);
  }

  override async read(
    filter: { readonly name?: string } = {},
    options: RuntimeOptions = {},
  ): Promise<readonly Service[]> {
    const { services } = await this.#calls.read({ name: filter.name ?? '' }, this.#options(options));
    return services.map(fromMessage);
  }

  override async *update(change: UpdateService, options: RuntimeOptions = {}): AsyncGenerator<Progress> {
    for await (const step of this.#calls.update(change, this.#options(options))) yield fromProgressMessage(step);
  }

  override async delete(name: string, options: RuntimeOptions = {}): Promise<void> {
    await this.#calls.delete({ name }, { ...this.#options(options), timeout: deleteTimeout });
  }

  override async *logs(query: LogsQuery, options: FollowOptions = {}): AsyncGenerator<LogLine> {
    const { name, follow = false, lines = 0, sinceMs = 0 } = query;
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
    try {
      const request = { name, follow, lines, sinceMs: BigInt(Math.trunc(sinceMs)) };
      for await (const line of this.#calls.logs(request, { ...this.#options(options), signal }))
        yield fromLogMessage(line);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  override async close(): Promise<void> {
    this.#closing.abort();
  }

  #options({ namespace }: RuntimeOptions): CallOptions {
    return { namespace, signal: this.#closing.signal };
  }
}

const invalidCount = 2 ** 32 - 1;
