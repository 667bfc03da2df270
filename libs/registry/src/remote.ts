import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { registryProto } from '@micro/proto';
import type { CallOptions, Client, ClientOf } from '@micro/rpc';
import { type EventQueue, Watches } from './event-queue.js';
import { epochHeader, fromEventMessage, fromMessage, toMessage } from './messages.js';
import { OwnRegistrations } from './own-registrations.js';
import {
  defaultTtl,
  type RegisterOptions,
  Registry,
  type RegistryEvent,
  type RegistryOptions,
  type Service,
  type WatchOptions,
} from './registry.js';
import { RemoteView } from './remote-view.js';
import { checkedNamespace, checkedTtl, checkService, closed } from './validation.js';

interface Own {
  /** With this one node. */
  readonly service: Service;
  readonly namespace: string;
  readonly ttl: number;
  /** On the monotonic clock. */
  readonly expires: number;
}

/** Waits between two attempts to watch, in milliseconds. */
const retry = { first: 100, most: 2_000 } as const;
/** Milliseconds that close() waits for a registry that does not answer. */
const closeTimeout = 1_000;
/** Codes that asking again does not change. */
const final: ReadonlySet<string> = new Set([
  'invalid_argument',
  'permission_denied',
  'unauthenticated',
  'unimplemented',
]);

/**
 * The registry of apps/registry, over RPC: what user services get. Renewing is the caller's; but a registry that was started again, as a
 * watch notices, is told at once what this one had registered. The client belongs to whoever gives it, and stays open.
 */
export class RemoteRegistry extends Registry {
  readonly #calls: ClientOf<typeof registryProto.Registry>;
  readonly #watches = new Watches();
  /** What is registered, to be told again and to be withdrawn. */
  readonly #own = new OwnRegistrations<Own>(({ expires }) => expires <= performance.now());
  #epoch: string | undefined;
  #closed = false;

  constructor(client: Client) {
    super();
    this.#calls = client.of(registryProto.Registry);
  }

  override async register(service: Service, options: RegisterOptions = {}): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const ttl = Math.ceil(checkedTtl(options.ttl));
    checkService(service);
    await this.#calls.register({ service: toMessage(service), ttlMs: ttl }, { namespace });
    if (this.#closed) {
      // It has come after what was withdrawn.
      await this.#deregister(service, { namespace, timeout: closeTimeout }).catch(() => undefined);
      throw closed();
    }
    const expires = performance.now() + ttl;
    for (const node of service.nodes) {
      const { name, version } = service;
      const own = { service: { ...service, nodes: [node] }, namespace, ttl, expires };
      this.#own.set({ namespace, name, version, id: node.id }, own);
    }
  }

  override async deregister(
    service: Pick<Service, 'name' | 'version' | 'nodes'>,
    options: RegistryOptions = {},
  ): Promise<void> {
    if (this.#closed) throw closed();
    await this.#deregister(service, { namespace: checkedNamespace(options.namespace) });
  }

  override async get(name: string, options: RegistryOptions = {}): Promise<readonly Service[]> {
    if (this.#closed) throw closed();
    try {
      const { services } = await this.#calls.getService({ name }, { namespace: checkedNamespace(options.namespace) });
      return services.map(fromMessage);
    } catch (error) {
      if (error instanceof MicroError && error.code === 'not_found' && error.id === 'registry') return [];
      throw error;
    }
  }

  override async list(options: RegistryOptions = {}): Promise<readonly Service[]> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    try {
      const { services } = await this.#calls.listServices({}, { namespace });
      return services.map(fromMessage);
    } catch (error) {
      // More than fits into one message comes service by service.
      if (error instanceof MicroError && error.code === 'resource_exhausted') return this.#listByWatch(namespace);
      throw error;
    }
  }

  override watch({ namespace, name, signal }: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#watches.open(signal, (queue) =>
      this.#follow(queue, { namespace: checkedNamespace(namespace), name: name ?? '' }),
    );
  }

  override async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.close();
    const own = this.#own.values();
    await Promise.all(
      own.map(({ service, namespace }) =>
        this.#deregister(service, { namespace, timeout: closeTimeout }).catch(() => undefined),
      ),
    );
  }

  async #deregister(
    { name, version, nodes }: Pick<Service, 'name' | 'version' | 'nodes'>,
    options: CallOptions & { namespace: string },
  ) {
    for (const { id } of nodes) this.#own.delete({ namespace: options.namespace, name, version, id });
    await this.#calls.deregister({ service: { name, version, nodes: nodes.map(({ id }) => ({ id })) } }, options);
  }

  async #listByWatch(namespace: string): Promise<readonly Service[]> {
    const services: Service[] = [];
    for await (const event of this.watch({ namespace })) {
      if (event.type === 'synced') break;
      services.push(event.service);
    }
    return services;
  }

  /** Watches until nobody wants to know any more, over as many connections as that takes. */
  async #follow(
    queue: EventQueue,
    { namespace, name }: { readonly namespace: string; readonly name: string },
  ): Promise<void> {
    const stop = new AbortController();
    queue.onEnd(() => stop.abort());
    const view = new RemoteView(queue);
    for (let failures = 0; !queue.ended; failures++) {
      let epoch: string | undefined;
      const onHeaders: CallOptions['onHeaders'] = (headers) => (epoch = headers.get(epochHeader));
      try {
        view.begin();
        for await (const message of this.#calls.watch(
          { name },
          { namespace, signal: stop.signal, timeout: Infinity, onHeaders },
        )) {
          const event = fromEventMessage(message);
          if (!event) continue;
          if (event.type === 'synced') {
            failures = 0;
            this.#meet(epoch);
          }
          view.take(event, { epoch, grace: defaultTtl });
        }
      } catch (error) {
        if (final.has(MicroError.from(error).code)) return queue.end(error);
      }
      const wait = Math.min(retry.first * 2 ** failures, retry.most) * (0.75 + Math.random() / 2);
      await sleep(wait, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  }

  /** A registry that was started again has forgotten what we registered: it need not wait for the next renewal. */
  #meet(epoch: string | undefined): void {
    const before = this.#epoch;
    this.#epoch = epoch;
    if (before === undefined || before === epoch) return;
    for (const own of this.#own.values()) {
      if (own.expires > performance.now()) void this.#tellAgain(own).catch(() => undefined);
    }
  }

  /** Whoever deregisters, or registers anew, while this is on its way has the last word. */
  async #tellAgain(own: Own): Promise<void> {
    const { service, namespace, ttl } = own;
    const { name, version, nodes } = service;
    await this.#calls.register({ service: toMessage(service), ttlMs: ttl }, { namespace });
    const known = nodes[0] && this.#own.get({ namespace, name, version, id: nodes[0].id });
    if (!known) await this.#deregister(service, { namespace });
    else if (known !== own) await this.#tellAgain(known);
  }
}
