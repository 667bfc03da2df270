import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type { Discovery, Target } from '@micro/rpc';
import { type Logger, silentLogger } from '@micro/telemetry';
import { Feed } from './cache-feed.js';
import type { CacheView, Provided } from './cache-view.js';
import { defaultNamespace, type Registry, type Service } from './registry.js';
import { checkedNamespace } from './validation.js';

export interface RegistryCacheOptions {
  readonly logger?: Logger;
  /** That of the process, which stays in memory however seldom it is asked for. Default `micro`. */
  readonly namespace?: string;
  /** Milliseconds after which a namespace that nobody asks for is let go, at the latest after twice as many. Default five minutes. */
  readonly idle?: number;
}

/** Milliseconds that a service which the registry has may take to arrive by the watch. */
const arrivalTimeout = 1_000;
/** Namespaces come from callers: no more than so many are watched at a time. */
const mostNamespaces = 256;

/**
 * A registry in memory, fed by one watch a namespace: every look-up after the first is a map access. While the registry is away it goes on
 * answering what it knew, and takes over the difference when it is back.
 *
 * Callers may name any namespace, so namespaces come and go: one that nobody asks for is let go after a while, and where there are too
 * many the one asked for longest ago makes room, an empty one first. Its watch ends with it; asked for again, it is read again.
 */
export class RegistryCache implements Discovery {
  readonly #registry: Registry;
  readonly #logger: Logger;
  readonly #own: string;
  readonly #feeds = new Map<string, Feed>();
  readonly #listeners = new Set<(namespace: string) => void>();
  readonly #sweeping: NodeJS.Timeout;
  /** Counts questions: a clock that costs nothing to read. */
  #uses = 0;
  #usesBefore = 0;
  #closed = false;

  constructor(registry: Registry, options: RegistryCacheOptions = {}) {
    this.#registry = registry;
    this.#logger = options.logger ?? silentLogger;
    this.#own = options.namespace ?? defaultNamespace;
    this.#sweeping = setInterval(() => this.#sweep(), options.idle ?? 300_000);
    this.#sweeping.unref();
  }

  /**
   * Resolves once the namespace is in memory. MicroError `unavailable` if the registry does not answer in time, `invalid_argument` for a
   * name that no namespace can have, `resource_exhausted` while too many others are waited for.
   */
  async ready(namespace: string = defaultNamespace): Promise<void> {
    await this.#feed(namespace).ready();
  }

  targets(service: string, namespace: string): readonly Target[] | Promise<readonly Target[]> {
    const feed = this.#feeds.get(namespace);
    if (!feed?.view.warm) return this.#first(service, namespace).then(({ view }) => view.targets(service));
    feed.used = ++this.#uses;
    return feed.view.targets(service);
  }

  /** As `targets`, of those services of `micro` which serve callers of every namespace: the platform's own. */
  sharedTargets(service: string): readonly Target[] | Promise<readonly Target[]> {
    const { view, sharedView } = this.#feed(defaultNamespace);
    return view.warm
      ? sharedView.targets(service)
      : this.#first(service, defaultNamespace).then((feed) => feed.sharedView.targets(service));
  }

  /** All versions of a service, ascending; empty if there is none. */
  async service(name: string, namespace: string = defaultNamespace): Promise<readonly Service[]> {
    const { view } = this.#feed(namespace);
    return (view.warm ? view : (await this.#first(name, namespace)).view).versions(name);
  }

  /** Everything known of a namespace, by name, then version; the same array until it changes. Empty before it is ready. */
  services(namespace: string = defaultNamespace): readonly Service[] {
    return this.#feed(namespace).view.list();
  }

  /**
   * Which service has a method path, as far as is known now. Of several, the one that is named like the path's package, then the latest
   * version.
   */
  endpoint(namespace: string, path: string): Provided | undefined {
    return this.#feed(namespace).view.endpoint(path);
  }

  /** As `endpoint`, of those services of `micro` which serve callers of every namespace: the platform's own. */
  sharedEndpoint(path: string): Provided | undefined {
    return this.#feed(defaultNamespace).sharedView.endpoint(path);
  }

  /** Calls back after every change of a namespace that is in memory; returns the way to stop that. */
  onChange(listener: (namespace: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the watches. The registry stays open: it belongs to whoever opened it. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeping);
    for (const feed of this.#feeds.values()) feed.close();
  }

  #feed(namespace: string): Feed {
    const feed = this.#feeds.get(namespace) ?? this.#open(checkedNamespace(namespace));
    feed.used = ++this.#uses;
    return feed;
  }

  #open(namespace: string): Feed {
    if (this.#feeds.size >= mostNamespaces) this.#makeRoom();
    const changed = () => {
      for (const listener of this.#listeners) listener(namespace);
    };
    const feed = new Feed({ registry: this.#registry, namespace, logger: this.#logger, changed });
    if (this.#closed) feed.close();
    this.#feeds.set(namespace, feed);
    return feed;
  }

  /** Lets go of what was asked for longest ago, and of what is empty before the rest: names that callers made up push out nobody. */
  #makeRoom(): void {
    let least: [string, Feed] | undefined;
    for (const one of this.#feeds) {
      if (this.#mayGo(...one) && (!least || isLessNeeded(one[1], least[1]))) least = one;
    }
    if (least) return this.#letGo(...least);
    throw new MicroError('resource_exhausted', 'too many namespaces are asked for at once: try again in a moment', {
      id: 'registry',
    });
  }

  #sweep(): void {
    for (const one of this.#feeds) if (one[1].used <= this.#usesBefore && this.#mayGo(...one)) this.#letGo(...one);
    this.#usesBefore = this.#uses;
  }

  #mayGo(namespace: string, feed: Feed): boolean {
    return namespace !== this.#own && !feed.isAwaited;
  }

  #letGo(namespace: string, feed: Feed): void {
    this.#feeds.delete(namespace);
    feed.close();
  }

  /** The first question about a namespace. That a service is not there is then believed only if the registry says so itself. */
  async #first(service: string, namespace: string): Promise<Feed> {
    const feed = this.#feed(namespace);
    const { view } = feed;
    await feed.ready();
    if (view.versions(service).length > 0) return feed;
    if ((await this.#registry.get(service, { namespace })).length === 0) return feed;
    const end = performance.now() + arrivalTimeout;
    while (view.versions(service).length === 0 && performance.now() < end) await sleep(5);
    return feed;
  }
}

function isLessNeeded(one: Feed, other: Feed): boolean {
  const [isEmpty, otherIsEmpty] = [isVacant(one.view), isVacant(other.view)];
  return isEmpty === otherIsEmpty ? one.used < other.used : isEmpty;
}

function isVacant(view: CacheView): boolean {
  return view.size === 0;
}
