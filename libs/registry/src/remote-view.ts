import { isDeepStrictEqual } from 'node:util';
import { inOrder } from './catalog.js';
import { versionKey } from './content.js';
import type { EventQueue } from './event-queue.js';
import type { Node, RegistryEvent, Service } from './registry.js';

/** Nodes that a registry which has just started may not have heard of again yet. */
interface Kept {
  readonly service: Service;
  readonly nodes: Map<string, Node>;
}

/**
 * One watch over many connections. The consumer is told one unbroken story: of a connection that begins anew only what differs from what
 * was told before. A registry that forgot everything, since it was started again, is not believed when it does not know a node, until
 * every node has had the time to renew its registration.
 */
export class RemoteView {
  readonly #queue: EventQueue;
  /** What the consumer knows. */
  readonly #told = new Map<string, Service>();
  /** What the registry knows. */
  #source = new Map<string, Service>();
  readonly #kept = new Map<string, Kept>();
  /** Collects what is there until `synced`; undefined after it. */
  #arriving: Map<string, Service> | undefined;
  #epoch: string | undefined;
  #synced = false;
  #grace: NodeJS.Timeout | undefined;

  constructor(queue: EventQueue) {
    this.#queue = queue;
    queue.onEnd(() => clearTimeout(this.#grace));
  }

  /** A connection begins. */
  begin(): void {
    this.#arriving = new Map();
  }

  /**
   * The next event of the connection. With `synced` comes the epoch of the registry: another one than before means that it has forgotten;
   * what it should know again it is then given `grace` milliseconds to learn.
   */
  take(event: RegistryEvent, { epoch, grace }: { readonly epoch: string | undefined; readonly grace: number }): void {
    if (event.type === 'synced') return this.#complete(epoch, grace);
    const { service } = event;
    const key = versionKey(service);
    const into = this.#arriving ?? this.#source;
    if (event.type === 'deleted') into.delete(key);
    else into.set(key, service);
    if (!this.#arriving) this.#tell(key);
  }

  #complete(epoch: string | undefined, grace: number): void {
    const forgot = this.#synced && epoch !== this.#epoch;
    this.#epoch = epoch;
    this.#source = this.#arriving ?? this.#source;
    this.#arriving = undefined;
    if (forgot) this.#keepAll(grace);
    const keys = [...this.#told.values(), ...[...this.#source.values()].sort(inOrder)].map(versionKey);
    for (const key of new Set(keys)) this.#tell(key);
    if (!this.#synced) this.#queue.push({ type: 'synced' });
    this.#synced = true;
  }

  #keepAll(grace: number): void {
    for (const [key, service] of this.#told) {
      this.#kept.set(key, { service, nodes: new Map(service.nodes.map((node) => [node.id, node])) });
    }
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      const keys = [...this.#kept.keys()];
      this.#kept.clear();
      for (const key of keys) this.#tell(key);
    }, grace);
    this.#grace.unref();
  }

  /** Tells the consumer how a version has changed, if it has. */
  #tell(key: string): void {
    const before = this.#told.get(key);
    const now = this.#merged(key);
    if (now) this.#told.set(key, now);
    else this.#told.delete(key);
    if (now && !before) this.#queue.push({ type: 'created', service: now });
    else if (before && !now) this.#queue.push({ type: 'deleted', service: before });
    else if (now && !isDeepStrictEqual(now, before)) this.#queue.push({ type: 'updated', service: now });
  }

  /** What the registry knows of a version, with the nodes that it may have forgotten. */
  #merged(key: string): Service | undefined {
    const service = this.#source.get(key);
    const kept = this.#kept.get(key);
    if (!kept) return service;
    // Known again: from now on the registry is believed when it says that the node is gone.
    for (const { id } of service?.nodes ?? []) kept.nodes.delete(id);
    if (kept.nodes.size === 0) return service;
    const nodes = [...(service?.nodes ?? []), ...kept.nodes.values()].sort((one, other) =>
      one.id < other.id ? -1 : 1,
    );
    return { ...(service ?? kept.service), nodes };
  }
}
