import { MicroError } from '@micro/errors';
import type { Discovery, Target } from '@micro/rpc';
import { type Logger, silentLogger } from '@micro/telemetry';
import { defaultNamespace, type Endpoint, type Node, type Registry, type RegistryEvent, type Service } from './registry.js';

export interface RegistryCacheOptions {
  readonly logger?: Logger;
}

/** How long the first answer for a namespace may take before it is an error. */
const readyTimeout = 5_000;
const retry = { first: 100, most: 5_000 } as const;
const none: readonly never[] = [];

/**
 * A registry in memory, fed by one watch a namespace: every look-up after the first is a map access. While the registry is away it goes on
 * answering what it knew, and takes over the difference when it is back.
 */
export class RegistryCache implements Discovery {
  readonly #registry: Registry;
  readonly #logger: Logger;
  readonly #views = new Map<string, View>();
  readonly #listeners = new Set<(namespace: string) => void>();
  readonly #closing = new AbortController();

  constructor(registry: Registry, options: RegistryCacheOptions = {}) {
    this.#registry = registry;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Resolves once the namespace is in memory. MicroError `unavailable` if the registry does not answer in time. */
  ready(namespace: string = defaultNamespace): Promise<void> {
    const view = this.#view(namespace);
    return view.warm ? Promise.resolve() : view.whenWarm();
  }

  targets(service: string, namespace: string): readonly Target[] | Promise<readonly Target[]> {
    const view = this.#view(namespace);
    return view.warm ? view.targets(service) : view.whenWarm().then(() => view.targets(service));
  }

  /** All versions of a service; empty if there is none. */
  async service(name: string, namespace: string = defaultNamespace): Promise<readonly Service[]> {
    await this.ready(namespace);
    return this.#view(namespace).versions(name);
  }

  /** Everything known of a namespace, by name, then version. Empty before it is ready. */
  services(namespace: string = defaultNamespace): readonly Service[] {
    return this.#view(namespace).list();
  }

  /** Which service has a method path, as far as is known now. */
  endpoint(namespace: string, path: string): { readonly service: Service; readonly endpoint: Endpoint } | undefined {
    return this.#view(namespace).endpoint(path);
  }

  /** Calls back after every change of a namespace; returns the way to stop that. */
  onChange(listener: (namespace: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the watches. The registry stays open: it belongs to whoever opened it. */
  async close(): Promise<void> {
    this.#closing.abort();
  }

  #view(namespace: string): View {
    let view = this.#views.get(namespace);
    if (!view) {
      view = new View();
      this.#views.set(namespace, view);
      void this.#feed(namespace, view);
    }
    return view;
  }

  async #feed(namespace: string, view: View): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures++) {
      const fresh = new Map<string, Service>();
      let synced = false;
      try {
        for await (const event of this.#registry.watch({ namespace, signal })) {
          if (event.type === 'synced') {
            synced = true;
            failures = 0;
            view.replace(fresh);
          } else if (synced) {
            view.apply(event);
          } else {
            fresh.set(keyOf(event.service), event.service);
            continue;
          }
          for (const listener of this.#listeners) listener(namespace);
        }
      } catch (error) {
        if (failures === 0) this.#logger.warn(`the registry is away: ${MicroError.from(error).detail}; going on with what it said last`);
      }
      if (!signal.aborted) await pause(Math.min(retry.first * 2 ** failures, retry.most), signal);
    }
  }
}

/** One namespace in memory. */
class View {
  warm = false;
  #services = new Map<string, Service>();
  #byName = new Map<string, Service[]>();
  #targets = new Map<string, readonly Target[]>();
  #endpoints: Map<string, { service: Service; endpoint: Endpoint }> | undefined;
  #list: readonly Service[] | undefined;
  #waiting: (() => void)[] = [];

  replace(services: Map<string, Service>): void {
    this.#services = services;
    this.#byName = new Map();
    for (const service of services.values()) this.#index(service);
    this.#targets.clear();
    this.#forget();
    this.warm = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  apply(event: Exclude<RegistryEvent, { type: 'synced' }>): void {
    const { name } = event.service;
    const key = keyOf(event.service);
    if (event.type === 'deleted') this.#services.delete(key);
    else this.#services.set(key, event.service);
    const others = (this.#byName.get(name) ?? []).filter((service) => keyOf(service) !== key);
    if (others.length > 0) this.#byName.set(name, others);
    else this.#byName.delete(name);
    if (event.type !== 'deleted') this.#index(event.service);
    this.#targets.delete(name);
    this.#forget();
  }

  versions(name: string): readonly Service[] {
    return this.#byName.get(name) ?? none;
  }

  targets(name: string): readonly Target[] {
    let targets = this.#targets.get(name);
    if (!targets) {
      targets = this.versions(name).flatMap((service) => service.nodes.map(targetOf));
      // A name that nobody has is not remembered: names come from callers.
      if (targets.length > 0) this.#targets.set(name, targets);
    }
    return targets;
  }

  list(): readonly Service[] {
    return (this.#list ??= [...this.#services.values()].sort((a, b) => compare(a.name, b.name) || compare(a.version, b.version)));
  }

  endpoint(path: string): { readonly service: Service; readonly endpoint: Endpoint } | undefined {
    if (!this.#endpoints) {
      this.#endpoints = new Map();
      for (const service of this.list()) for (const endpoint of service.endpoints) this.#endpoints.set(endpoint.path, { service, endpoint });
    }
    return this.#endpoints.get(path);
  }

  whenWarm(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting = this.#waiting.filter((one) => one !== go);
        reject(new MicroError('unavailable', 'the registry does not answer: is `micro server` running?'));
      }, readyTimeout);
      const go = () => {
        clearTimeout(late);
        resolve();
      };
      this.#waiting.push(go);
    });
  }

  #index(service: Service): void {
    const versions = this.#byName.get(service.name);
    if (!versions) this.#byName.set(service.name, [service]);
    else versions.splice(versions.findIndex(({ version }) => version > service.version) >>> 0, 0, service);
  }

  #forget(): void {
    this.#list = undefined;
    this.#endpoints = undefined;
  }
}

function targetOf({ id, address, metadata }: Node): Target {
  const protocols = (metadata['protocol'] ?? 'connect,grpc').split(',').map((one) => one.trim());
  return { id, address, connect: protocols.includes('connect'), region: metadata['region'] ?? '', zone: metadata['zone'] ?? '' };
}

function keyOf({ name, version }: Service): string {
  return `${name}\0${version}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}
