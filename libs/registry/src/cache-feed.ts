import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type { Logger } from '@micro/telemetry';
import { CacheView, shared } from './cache-view.js';
import { versionKey } from './content.js';
import type { Registry, RegistryEvent, Service } from './registry.js';
import { closed } from './validation.js';

/** Milliseconds that the first answer for a namespace may take before it is an error. */
const readyTimeout = 4_000;
/** Waits between two attempts to watch, in milliseconds. */
const retry = { first: 100, most: 5_000 } as const;

export interface FeedOptions {
  readonly registry: Registry;
  readonly namespace: string;
  readonly logger: Logger;
  /** Called after every change that can be seen. */
  readonly changed: () => void;
}

/** One namespace of a registry, kept in memory by one watch for as long as the feed is open. */
export class Feed {
  readonly view = new CacheView();
  /** Of it what callers of other namespaces may reach. */
  readonly sharedView = new CacheView();
  /** When it was asked for last, as its owner counts. */
  used = 0;
  readonly #options: FeedOptions;
  readonly #stop = new AbortController();
  readonly #first: Promise<void>;
  #waiting = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#first = new Promise((resolve, reject) => {
      this.#stop.signal.addEventListener('abort', () => reject(closed()), { once: true });
      this.#follow(resolve).catch(reject);
    });
    this.#first.catch(() => undefined);
  }

  /** Whether somebody waits for it to be in memory. */
  get isAwaited(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves once the namespace is in memory. MicroError `unavailable` if the registry does not answer within four seconds. */
  async ready(): Promise<void> {
    if (this.view.warm) return;
    const timer = new AbortController();
    const late = sleep(readyTimeout, undefined, { signal: timer.signal }).then(() => {
      throw new MicroError('unavailable', 'the registry does not answer: is `micro server` running?', {
        id: 'registry',
      });
    });
    late.catch(() => undefined);
    this.#waiting++;
    try {
      await Promise.race([this.#first, late]);
    } finally {
      this.#waiting--;
      timer.abort();
    }
  }

  /** Ends the watch. Who waits is told that the registry is closed. */
  close(): void {
    this.#stop.abort();
  }

  /** Feeds the views for as long as they are wanted. Throws only what asking again would not change. */
  async #follow(ready: () => void): Promise<void> {
    const { registry, namespace, logger, changed } = this.#options;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures++) {
      const present = new Map<string, Service>();
      let synced = false;
      try {
        for await (const event of registry.watch({ namespace, signal })) {
          if (event.type === 'synced') {
            synced = true;
            failures = 0;
            this.#replace(present);
            ready();
          } else if (synced) this.#apply(event);
          else present.set(versionKey(event.service), event.service);
          if (synced) changed();
        }
      } catch (error) {
        const { code, detail } = MicroError.from(error);
        if (code === 'invalid_argument') throw error;
        if (failures === 0) logger.warn(`the registry is away: ${detail}; going on with what it said last`);
      }
      await sleep(Math.min(retry.first * 2 ** failures, retry.most), undefined, { signal }).catch(() => undefined);
    }
  }

  #replace(present: ReadonlyMap<string, Service>): void {
    this.view.replace(present.values());
    this.sharedView.replace([...present.values()].flatMap((service) => shared(service) ?? []));
  }

  #apply({ type, service }: Exclude<RegistryEvent, { readonly type: 'synced' }>): void {
    this.view.apply({ type, service });
    const part = shared(service);
    this.sharedView.apply(part ? { type, service: part } : { type: 'deleted', service });
  }
}
