import { outsideCalls } from '@micro/rpc';
import {
  type RegisterOptions,
  Registry,
  type RegistryEvent,
  type RegistryOptions,
  type Service,
  type WatchOptions,
} from './registry.js';
import { closed } from './validation.js';

/**
 * A registry whose server may be away when the process starts: it is opened when it is first used, and where it could not be, which is an error
 * of that call, again with the next one.
 */
export class LaterRegistry extends Registry {
  readonly #open: () => Promise<Registry>;
  #opening: Promise<Registry> | undefined;
  #closed = false;

  constructor(open: () => Promise<Registry>) {
    super();
    this.#open = open;
  }

  override async register(service: Service, options?: RegisterOptions): Promise<void> {
    await (await this.#registry()).register(service, options);
  }

  override async deregister(
    service: Pick<Service, 'name' | 'version' | 'nodes'>,
    options?: RegistryOptions,
  ): Promise<void> {
    await (await this.#registry()).deregister(service, options);
  }

  override async get(name: string, options?: RegistryOptions): Promise<readonly Service[]> {
    return (await this.#registry()).get(name, options);
  }

  override async list(options?: RegistryOptions): Promise<readonly Service[]> {
    return (await this.#registry()).list(options);
  }

  override async *watch(options: WatchOptions = {}): AsyncGenerator<RegistryEvent> {
    if (options.signal?.aborted) return;
    const registry = await this.#registry();
    yield* registry.watch(options);
  }

  /** Closes what was opened. */
  override async close(): Promise<void> {
    this.#closed = true;
    const registry = await this.#opening?.catch(() => undefined);
    await registry?.close();
  }

  #registry(): Promise<Registry> {
    if (this.#closed) return Promise.reject(closed());
    if (!this.#opening) {
      // It outlives the call that it is first used in.
      this.#opening = outsideCalls(this.#open);
      this.#opening.catch(() => (this.#opening = undefined));
    }
    return this.#opening;
  }
}
