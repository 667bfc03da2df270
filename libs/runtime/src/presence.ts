import { setTimeout as delay } from 'node:timers/promises';
import type { Registry, RegistryEvent } from '@micro/registry';

/** What the registry says about one service of the runtime: which instances have registered, and where. */
export class Presence {
  readonly #nodes = new Map<string, { readonly address: string; readonly version: string }>();
  /** Ids of nodes that chose their own, by the instance that they are taken for. */
  readonly #claims = new Map<string, string>();
  /** Instances without the SDK, which may register under an id of their own, oldest first. */
  readonly #claimants = new Set<string>();
  readonly #registered = new Set<string>();
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #synced = false;

  constructor(
    readonly registry: Registry | undefined,
    readonly namespace: string,
    readonly name: string,
  ) {
    if (registry) void this.#watch(registry);
  }

  /** Resolves with the instance's address when it has registered; never where there is no registry. */
  appears(instance: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve) => {
      const look = () => {
        const address = this.address(instance);
        if (address === '') return;
        forget();
        resolve(address);
      };
      const forget = () => this.#listeners.delete(look);
      this.#listeners.add(look);
      signal.addEventListener('abort', forget, { once: true });
      look();
    });
  }

  /** Resolves when what is registered is known, or after two seconds where the registry does not answer; at once where there is none. */
  async ready(): Promise<void> {
    if (!this.registry || this.#synced) return;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!this.#synced && !this.#stop.signal.aborted) return;
        this.#listeners.delete(look);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#listeners.delete(look);
        resolve();
      }, 2_000);
      this.#listeners.add(look);
    });
  }

  /** `host:port`; empty while it is not registered. */
  address(instance: string): string {
    return this.#node(instance)?.address ?? '';
  }

  /** Whether the instance has ever registered. */
  wasRegistered(instance: string): boolean {
    return this.#registered.has(instance);
  }

  /** From now on a node with an unknown id may be this instance's: its program is not told of the SDK. */
  expectForeign(instance: string): void {
    this.#claimants.add(instance);
  }

  /** Takes a process that has ended off the registry, instead of waiting until its registration expires. */
  async withdraw(instance: string, version: string): Promise<void> {
    const claim = this.#claims.get(instance);
    const ids = claim === undefined ? [instance] : [instance, claim];
    const known = this.#node(instance)?.version ?? version;
    this.#claims.delete(instance);
    for (const id of ids) this.#nodes.delete(id);
    const nodes = ids.map((id) => ({ id, address: '127.0.0.1:1', metadata: {} }));
    // Where the registry is away the registration expires by itself.
    await this.registry
      ?.deregister({ name: this.name, version: known, nodes }, { namespace: this.namespace })
      .catch(() => undefined);
  }

  /** The same, and the instance will not come back. */
  forget(instance: string): void {
    this.#claimants.delete(instance);
    this.#registered.delete(instance);
  }

  close(): void {
    this.#stop.abort();
    this.#listeners.clear();
  }

  #node(instance: string) {
    return this.#nodes.get(instance) ?? this.#nodes.get(this.#claims.get(instance) ?? '');
  }

  /** Keeps watching, whatever happens to the registry. While it is away what was last known holds. */
  async #watch(registry: Registry): Promise<void> {
    const { namespace, name } = this;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const seen = new Set<string>();
      try {
        for await (const event of registry.watch({ namespace, name, signal })) this.#hear(event, seen);
      } catch {
        // Tried again.
      }
      await delay(1_000, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  #hear(event: RegistryEvent, seen: Set<string>): void {
    if (event.type === 'synced') {
      for (const id of this.#nodes.keys()) if (!seen.has(id)) this.#nodes.delete(id);
      this.#synced = true;
    } else {
      for (const { id } of event.service.nodes) seen.add(id);
      this.#update(event.type === 'deleted' ? [] : event.service.nodes, event.service.version);
    }
    for (const look of [...this.#listeners]) look();
  }

  #update(nodes: readonly { readonly id: string; readonly address: string }[], version: string): void {
    for (const [id, node] of this.#nodes)
      if (node.version === version && !nodes.some((one) => one.id === id)) this.#nodes.delete(id);
    for (const { id, address } of nodes) {
      const isNew = !this.#nodes.has(id);
      this.#nodes.set(id, { address, version });
      if (isNew && this.#synced) this.#claim(id);
      this.#registered.add(id);
    }
    for (const [instance, claim] of this.#claims) if (this.#nodes.has(claim)) this.#registered.add(instance);
  }

  #claim(id: string): void {
    if (this.#claimants.has(id)) return;
    const claimed = [...this.#claims.values()].includes(id);
    const free = [...this.#claimants].find((instance) => this.address(instance) === '');
    if (!claimed && free !== undefined) this.#claims.set(free, id);
  }
}
