import { MicroError } from '@micro/errors';
import { defaultTtl, type Registry, type Service } from '@micro/registry';

export interface RegistrationOptions {
  readonly namespace: string;
  /** Told, once, that the registry does not take renewals. */
  readonly warn: (message: string) => void;
}

/** Milliseconds that a stop waits for a registry that does not answer. */
const deregisterTimeout = 1_000;
const retry = { first: 250, most: 5_000 } as const;

/** Keeps a subscription in the registry for as long as it lasts: renewed three times within its time to live. */
export class Registration {
  readonly #registry: Registry;
  readonly #service: Service;
  readonly #options: RegistrationOptions;
  #timer: NodeJS.Timeout | undefined;
  #registering: Promise<void> = Promise.resolve();
  #failures = 0;
  #stopped = false;

  constructor(registry: Registry, service: Service, options: RegistrationOptions) {
    this.#registry = registry;
    this.#service = service;
    this.#options = options;
  }

  /** Resolves when it is registered; throws what the registry does if it cannot be. */
  async start(): Promise<void> {
    await (this.#registering = this.#register());
    this.#renewIn(defaultTtl / 3);
  }

  /** Takes it off the list. Never throws: what nobody renews the registry drops by itself. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    const { namespace } = this.#options;
    const ended = this.#registering
      .catch(() => undefined)
      .then(() => this.#registry.deregister(this.#service, { namespace }))
      .catch(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([ended, new Promise((resolve) => (timer = setTimeout(resolve, deregisterTimeout)))]);
    clearTimeout(timer);
  }

  #register(): Promise<void> {
    return this.#registry.register(this.#service, { namespace: this.#options.namespace, ttl: defaultTtl });
  }

  #renewIn(milliseconds: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#renew(), milliseconds);
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    try {
      await (this.#registering = this.#register());
      this.#failures = 0;
      this.#renewIn(defaultTtl / 3);
    } catch (error) {
      if (this.#stopped) return;
      const { name } = this.#service;
      if (this.#failures++ === 0)
        this.#options.warn(
          `${name} could not be renewed (${MicroError.from(error).detail}): trying on, but publishers may lose sight of it`,
        );
      this.#renewIn(Math.min(retry.first * 2 ** (this.#failures - 1), retry.most));
    }
  }
}
