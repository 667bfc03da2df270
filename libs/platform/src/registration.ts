import { MicroError } from '@micro/errors';
import { defaultTtl, type Registry, type Service } from '@micro/registry';
import type { Logger } from '@micro/telemetry';

export interface RegistrationOptions {
  readonly namespace: string;
  readonly logger: Logger;
  /** Milliseconds; renewed three times within it. Default 30,000. */
  readonly ttl?: number;
}

/** How long a stop waits for a registry that does not answer. */
const deregisterTimeout = 1_000;
const retry = { first: 250, most: 5_000 } as const;

/**
 * Keeps one node of one service in the registry for as long as it runs. A registry that does not answer is no reason to stop serving: it
 * is told as soon as it is back.
 */
export class Registration {
  readonly #registry: Registry;
  readonly #service: Service;
  readonly #options: RegistrationOptions;
  readonly #interval: number;
  #timer: NodeJS.Timeout | undefined;
  #away = 0;
  #stopped = false;
  #renewing: Promise<void> | undefined;

  constructor(registry: Registry, service: Service, options: RegistrationOptions) {
    this.#registry = registry;
    this.#service = service;
    this.#options = options;
    this.#interval = (options.ttl ?? defaultTtl) / 3;
  }

  /** Resolves after the first attempt, whether or not the registry was there. Throws where it refuses the registration. */
  async start(): Promise<void> {
    await (this.#renewing = this.#renew());
  }

  /** Registers again now: for when the registry has lost it. */
  async renew(): Promise<void> {
    if (this.#stopped) return;
    await (this.#renewing ??= this.#renew().catch((error: unknown) => this.#refused(error)));
  }

  /** Takes the node off the list. Never throws: the registry drops a node by itself when nobody renews it. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    const { namespace, logger } = this.#options;
    // After a renewal under way, which would put the node back.
    const begun = this.#renewing?.catch(() => undefined) ?? Promise.resolve();
    try {
      await within(
        deregisterTimeout,
        begun.then(() => this.#registry.deregister(this.#service, { namespace })),
      );
    } catch (error) {
      logger.warn(
        `could not deregister ${this.#service.name}: ${MicroError.from(error).detail}; the registry drops it by itself`,
      );
    }
  }

  async #renew(): Promise<void> {
    const { namespace, ttl, logger } = this.#options;
    try {
      await this.#registry.register(this.#service, { namespace, ttl });
      if (this.#away > 0) logger.info('the registry is back');
      this.#away = 0;
      this.#renewIn(this.#interval);
    } catch (error) {
      const { code, detail } = MicroError.from(error);
      if (code !== 'unavailable' && code !== 'deadline_exceeded') throw error;
      if (this.#away++ === 0)
        logger.warn(`the registry does not answer (${detail}); serving on, and registering as soon as it does`);
      this.#renewIn(Math.min(retry.first * 2 ** (this.#away - 1), retry.most, this.#interval));
    } finally {
      this.#renewing = undefined;
    }
  }

  #renewIn(milliseconds: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.renew(), milliseconds);
    this.#timer.unref();
  }

  /** A renewal that the registry refuses although it took the first: it is told again, and so are people. */
  #refused(error: unknown): void {
    this.#options.logger.error(`the registry refused to renew ${this.#service.name}`, { error });
    this.#renewIn(this.#interval);
  }
}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new MicroError('deadline_exceeded', `no answer within ${milliseconds} ms`)),
      milliseconds,
    );
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
