import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type { Discovery, Target } from '@micro/rpc';
import { type Logger, silentLogger } from '@micro/telemetry';
import { CacheView, type Provided } from './cache-view.js';
import { versionKey } from './content.js';
import { defaultNamespace, type Registry, type Service } from './registry.js';

export interface RegistryCacheOptions {
  readonly logger?: Logger;
}

/** Milliseconds that the first answer for a namespace may take before it is an error. */
const readyTimeout = 4_000;
/** Milliseconds that a service which the registry has may take to arrive by the watch. */
const arrivalTimeout = 1_000;
const retry = { first: 100, most: 5_000 } as const;
/** Namespaces come from callers: of those not asked for lately only so many are watched. */
const mostNamespaces = 256;

interface Watched {
  readonly view: CacheView;
  readonly ready: Promise<void>;
  readonly stop: AbortController;
  /** Whether it was asked for since the last time that room had to be made. */
  used: boolean;
}

/**
 * A registry in memory, fed by one watch a namespace: every look-up after the first is a map access. While the registry is away it goes on
 * answering what it knew, and takes over the difference when it is back.
 */
export class RegistryCache implements Discovery {
  readonly #registry: Registry;
  readonly #logger: Logger;
  readonly #namespaces = new Map<string, Watched>();
  readonly #listeners = new Set<(namespace: string) => void>();
  #closed = false;

  constructor(registry: Registry, options: RegistryCacheOptions = {}) {
    this.#registry = registry;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Resolves once the namespace is in memory. MicroError `unavailable` if the registry does not answer in time. */
  async ready(namespace: string = defaultNamespace): Promise<void> {
    const watched = this.#watched(namespace);
    if (watched.view.warm) return;
    const timer = new AbortController();
    const late = sleep(readyTimeout, undefined, { signal: timer.signal }).then(() => {
      throw new MicroError('unavailable', 'the registry does not answer: is `micro server` running?', {
        id: 'registry',
      });
    });
    try {
      await Promise.race([watched.ready, late]);
    } finally {
      late.catch(() => undefined);
      timer.abort();
    }
  }

  targets(service: string, namespace: string): readonly Target[] | Promise<readonly Target[]> {
    const { view } = this.#watched(namespace);
    return view.warm ? view.targets(service) : this.#first(service, namespace).then(() => view.targets(service));
  }

  /** All versions of a service, ascending; empty if there is none. */
  async service(name: string, namespace: string = defaultNamespace): Promise<readonly Service[]> {
    const { view } = this.#watched(namespace);
    if (!view.warm) await this.#first(name, namespace);
    return view.versions(name);
  }

  /** Everything known of a namespace, by name, then version; the same array until it changes. Empty before it is ready. */
  services(namespace: string = defaultNamespace): readonly Service[] {
    return this.#watched(namespace).view.list();
  }

  /**
   * Which service has a method path, as far as is known now. Of several, the one that is named like the path's package, then the latest
   * version.
   */
  endpoint(namespace: string, path: string): Provided | undefined {
    return this.#watched(namespace).view.endpoint(path);
  }

  /** Calls back after every change of a namespace; returns the way to stop that. */
  onChange(listener: (namespace: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the watches. The registry stays open: it belongs to whoever opened it. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { stop } of this.#namespaces.values()) stop.abort();
  }

  #watched(namespace: string): Watched {
    const known = this.#namespaces.get(namespace);
    if (known) {
      known.used = true;
      return known;
    }
    if (this.#namespaces.size >= mostNamespaces) this.#makeRoom();
    const stop = new AbortController();
    if (this.#closed) stop.abort();
    const view = new CacheView();
    const ready = new Promise<void>(
      (resolve, reject) => void this.#follow({ namespace, view, stop }, resolve).catch(reject),
    );
    ready.catch(() => this.#namespaces.delete(namespace));
    const watched = { view, ready, stop, used: true };
    this.#namespaces.set(namespace, watched);
    return watched;
  }

  /** Forgets a namespace that was not asked for since room was made last; the longest known one if all were. */
  #makeRoom(): void {
    const [first] = this.#namespaces;
    for (const [namespace, watched] of this.#namespaces) {
      if (!watched.used) return this.#forget(namespace, watched);
      watched.used = false;
    }
    if (first) this.#forget(...first);
  }

  #forget(namespace: string, { stop }: Watched): void {
    stop.abort();
    this.#namespaces.delete(namespace);
  }

  /** The first question about a namespace. That a service is not there is then believed only if the registry says so itself. */
  async #first(service: string, namespace: string): Promise<void> {
    const { view } = this.#watched(namespace);
    await this.ready(namespace);
    if (view.versions(service).length > 0) return;
    if ((await this.#registry.get(service, { namespace })).length === 0) return;
    const end = performance.now() + arrivalTimeout;
    while (view.versions(service).length === 0 && performance.now() < end) await sleep(5);
  }

  /** Feeds the view for as long as it is wanted. Throws only what asking again would not change. */
  async #follow(
    { namespace, view, stop: { signal } }: Pick<Watched, 'view' | 'stop'> & { namespace: string },
    ready: () => void,
  ): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      const before = new Map<string, Service>();
      let synced = false;
      try {
        for await (const event of this.#registry.watch({ namespace, signal })) {
          if (synced && event.type !== 'synced') view.apply(event);
          else if (event.type !== 'synced') before.set(versionKey(event.service), event.service);
          else {
            synced = true;
            failures = 0;
            view.replace(before.values());
            ready();
          }
          if (synced) for (const listener of this.#listeners) listener(namespace);
        }
      } catch (error) {
        const { code, detail } = MicroError.from(error);
        if (code === 'invalid_argument') throw error;
        if (failures === 0) this.#logger.warn(`the registry is away: ${detail}; going on with what it said last`);
      }
      await sleep(Math.min(retry.first * 2 ** failures, retry.most), undefined, { signal }).catch(() => undefined);
    }
  }
}
