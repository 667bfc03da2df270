import {
  MicroError,
  type RegisterOptions,
  Registry,
  type RegistryOptions,
  type Service,
  type WatchRegistryOptions,
} from '@micro/service/adapter';

/** A registry as somebody else would write one: what is registered is in another, which all of them share. */
export class OwnRegistry extends Registry {
  readonly #shared: Registry;
  readonly #own = new Map<string, { readonly service: Service; readonly options: RegisterOptions | undefined }>();
  readonly #closing = new AbortController();

  constructor(shared: Registry) {
    super();
    this.#shared = shared;
  }

  override async register(service: Service, options?: RegisterOptions) {
    await this.#open().register(service, options);
    this.#own.set(JSON.stringify([options?.namespace, service.name, service.version, service.nodes]), {
      service,
      options,
    });
  }
  override async deregister(service: Pick<Service, 'name' | 'version' | 'nodes'>, options?: RegistryOptions) {
    await this.#open().deregister(service, options);
  }
  override async get(name: string, options?: RegistryOptions) {
    return this.#open().get(name, options);
  }
  override async list(options?: RegistryOptions) {
    return this.#open().list(options);
  }
  override async *watch({ signal, ...options }: WatchRegistryOptions = {}) {
    const until = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    yield* this.#shared.watch({ ...options, signal: until });
  }
  override async close() {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    for (const { service, options } of this.#own.values()) await this.#shared.deregister(service, options);
  }

  #open(): Registry {
    if (this.#closing.signal.aborted) throw new MicroError('failed_precondition', 'this registry is closed');
    return this.#shared;
  }
}
