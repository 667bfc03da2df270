import { type Content, sameTexts } from './content.js';
import type { EventQueue } from './event-queue.js';
import type { Node, Service } from './registry.js';

/** One node as an adapter learned of it. */
export interface Placement {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly node: Node;
  readonly content: Content;
  /** Stands for the content. */
  readonly hash: string;
  /**
   * When this node was first registered with this content, in microseconds since the epoch. Nodes of one version may differ in content,
   * as while a new build is rolled out: the latest wins, whoever looks, and a renewal changes nothing.
   */
  readonly since: number;
  /** Milliseconds from now until it expires; Infinity where that is not ours to tell. */
  readonly ttl: number;
}

export type PlacementKey = Pick<Placement, 'namespace' | 'name' | 'version'> & { readonly id: string };

interface Entry {
  readonly node: Node;
  readonly content: Content;
  readonly hash: string;
  readonly since: number;
  ttl: number;
  /** On the monotonic clock: a laptop that slept has not aged. */
  expires: number;
}

interface Version {
  readonly name: string;
  readonly version: string;
  /** By node id. */
  readonly entries: Map<string, Entry>;
  /** As it was last told, and the hash of its content; undefined before it was. */
  view: Service | undefined;
  hash: string | undefined;
}

interface Namespace {
  readonly key: string;
  /** By name, then version. */
  readonly names: Map<string, Map<string, Version>>;
  readonly watches: Map<EventQueue, string | undefined>;
  readonly changed: Set<Version>;
  list: readonly Service[] | undefined;
}

const nothing: readonly Service[] = [];
/** A timer this late means that the process was stopped or starved and has not heard what was sent: everyone gets the time to renew. */
const stall = 1_000;

/**
 * What one process knows of who runs where: the memory behind every adapter that has no server to ask. It keeps services in order,
 * expires what is not renewed, and tells watches exactly the changes that can be seen.
 *
 * `put` and `remove` take effect for readers and watches with the next `flush`, so that what belongs together is told as one change.
 */
export class Catalog {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #changed = new Set<Namespace>();
  readonly #expired: ((key: PlacementKey) => void) | undefined;
  #nextExpiry = Infinity;
  #timer: NodeJS.Timeout | undefined;

  /** `expired` is told of every node that nobody renewed, after it is gone. */
  constructor(expired?: (key: PlacementKey) => void) {
    this.#expired = expired;
  }

  /** Adds, replaces or renews one node. */
  put(placement: Placement): void {
    const { node, hash, content, since } = placement;
    const namespace = this.#namespace(placement.namespace);
    const version = versionOf(namespace, placement);
    const { ttl } = placement;
    const expires = performance.now() + ttl;
    const before = version.entries.get(node.id);
    const sameNode =
      before !== undefined && before.node.address === node.address && sameTexts(before.node.metadata, node.metadata);
    if (before && sameNode && before.hash === hash && before.since === since) {
      before.ttl = ttl;
      before.expires = expires;
    } else {
      version.entries.set(node.id, { node: sameNode ? before.node : node, content, hash, since, ttl, expires });
      this.#touch(namespace, version);
    }
    if (expires < this.#nextExpiry) this.#expireAt(expires);
  }

  /** Gives a node another `ttl` milliseconds; false if it is not there. */
  renew({ namespace, name, version, id }: PlacementKey, ttl: number): boolean {
    const entry = this.#namespaces.get(namespace)?.names.get(name)?.get(version)?.entries.get(id);
    if (!entry) return false;
    entry.ttl = ttl;
    entry.expires = performance.now() + ttl;
    if (entry.expires < this.#nextExpiry) this.#expireAt(entry.expires);
    return true;
  }

  remove({ namespace, name, version, id }: PlacementKey): void {
    const within = this.#namespaces.get(namespace);
    const from = within?.names.get(name)?.get(version);
    if (within && from?.entries.delete(id)) this.#touch(within, from);
  }

  /** Whether a node was put and has neither been removed nor expired since. */
  hasNode({ namespace, name, version, id }: PlacementKey): boolean {
    return this.#namespaces.get(namespace)?.names.get(name)?.get(version)?.entries.has(id) ?? false;
  }

  /** Since when a node has had this content; undefined if it has other content, or is not there. */
  since({ namespace, name, version, id }: PlacementKey, hash: string): number | undefined {
    const entry = this.#namespaces.get(namespace)?.names.get(name)?.get(version)?.entries.get(id);
    return entry?.hash === hash ? entry.since : undefined;
  }

  /** The latest `since` of a version's nodes; 0 if there are none. */
  latest({ namespace, name, version }: Pick<Placement, 'namespace' | 'name' | 'version'>): number {
    let latest = 0;
    for (const { since } of this.#namespaces.get(namespace)?.names.get(name)?.get(version)?.entries.values() ?? [])
      latest = Math.max(latest, since);
    return latest;
  }

  /** Makes what was put and removed visible, and tells the watches. */
  flush(): void {
    for (const namespace of this.#changed) {
      for (const version of namespace.changed) publish(namespace, version);
      namespace.changed.clear();
      this.#tidy(namespace);
    }
    this.#changed.clear();
  }

  get(namespace: string, name: string): readonly Service[] {
    this.#expireIfDue();
    const versions = this.#namespaces.get(namespace)?.names.get(name);
    if (!versions) return nothing;
    return [...versions.values()]
      .flatMap(({ view }) => view ?? [])
      .sort((one, other) => byCodeUnit(one.version, other.version));
  }

  list(namespace: string): readonly Service[] {
    this.#expireIfDue();
    const known = this.#namespaces.get(namespace);
    if (!known) return nothing;
    return (known.list ??= [...known.names.values()]
      .flatMap((versions) => [...versions.values()].flatMap(({ view }) => view ?? []))
      .sort(inOrder));
  }

  /** Whether anything is in a namespace, or anybody watches it. */
  has(namespace: string): boolean {
    return this.#namespaces.has(namespace);
  }

  /** Tells a watch everything that is there, then `synced`, then every change until it ends. */
  watch(queue: EventQueue, namespace: string, name?: string): void {
    if (queue.ended) return;
    const only = name || undefined;
    for (const service of only ? this.get(namespace, only) : this.list(namespace))
      queue.push({ type: 'created', service });
    queue.push({ type: 'synced' });
    const within = this.#namespace(namespace);
    within.watches.set(queue, only);
    queue.onEnd(() => {
      within.watches.delete(queue);
      this.#tidy(within);
    });
  }

  /** Stops the clock and ends every watch. */
  close(): void {
    clearTimeout(this.#timer);
    this.#nextExpiry = Infinity;
    for (const { watches } of this.#namespaces.values()) for (const queue of [...watches.keys()]) queue.end();
  }

  #namespace(name: string): Namespace {
    let namespace = this.#namespaces.get(name);
    if (!namespace) {
      namespace = { key: name, names: new Map(), watches: new Map(), changed: new Set(), list: undefined };
      this.#namespaces.set(name, namespace);
    }
    return namespace;
  }

  #touch(namespace: Namespace, version: Version): void {
    namespace.changed.add(version);
    this.#changed.add(namespace);
  }

  /** Anyone may ask for any namespace: those with nothing in them are not remembered. */
  #tidy(namespace: Namespace): void {
    if (namespace.names.size > 0 || namespace.watches.size > 0) return;
    if (this.#namespaces.get(namespace.key) === namespace) this.#namespaces.delete(namespace.key);
  }

  #expireAt(time: number): void {
    this.#nextExpiry = time;
    clearTimeout(this.#timer);
    // What has arrived meanwhile is read before anything is declared dead: timers run ahead of sockets.
    const due = () => void setImmediate(() => this.#due());
    this.#timer = setTimeout(due, Math.max(time - performance.now(), 0) + 1);
    this.#timer.unref();
  }

  /** A timer may be early by the fraction of a millisecond that it does not count. */
  #due(): void {
    if (performance.now() < this.#nextExpiry && this.#nextExpiry < Infinity) this.#expireAt(this.#nextExpiry);
    else this.#expireIfDue();
  }

  #expireIfDue(): void {
    const now = performance.now();
    if (now < this.#nextExpiry) return;
    const stalled = now - this.#nextExpiry > stall;
    let next = Infinity;
    const dead: PlacementKey[] = [];
    for (const { key: namespace, names } of this.#namespaces.values()) {
      for (const versions of names.values()) {
        for (const { name, version, entries } of versions.values()) {
          for (const [id, entry] of entries) {
            if (stalled) entry.expires = Math.max(entry.expires, now + entry.ttl / 2);
            if (entry.expires <= now) dead.push({ namespace, name, version, id });
            else if (entry.expires < next) next = entry.expires;
          }
        }
      }
    }
    for (const key of dead) this.remove(key);
    if (next < Infinity) this.#expireAt(next);
    else this.#nextExpiry = Infinity;
    this.flush();
    for (const key of dead) this.#expired?.(key);
  }
}

let lastTime = 0;

/** The time of a registration, for `since`: no two of one process are the same. */
export function registrationTime(): number {
  lastTime = Math.max(lastTime + 1, Date.now() * 1000);
  return lastTime;
}

/** By name, then version, both ascending by code unit. */
export function inOrder(one: Service, other: Service): number {
  return byCodeUnit(one.name, other.name) || byCodeUnit(one.version, other.version);
}

export function byCodeUnit(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function sameNodes(one: readonly Node[], other: readonly Node[]): boolean {
  return one.length === other.length && one.every((node, index) => node === other[index]);
}

function versionOf(namespace: Namespace, { name, version }: Pick<Placement, 'name' | 'version'>): Version {
  let versions = namespace.names.get(name);
  if (!versions) namespace.names.set(name, (versions = new Map()));
  let known = versions.get(version);
  if (!known) versions.set(version, (known = { name, version, entries: new Map(), view: undefined, hash: undefined }));
  return known;
}

/** Compares a version with what was last told of it, and tells the difference. */
function publish(namespace: Namespace, version: Version): void {
  const before = version.view;
  const entries = [...version.entries.values()];
  const { name, version: number } = version;
  if (entries.length === 0) {
    const versions = namespace.names.get(name);
    versions?.delete(number);
    if (versions?.size === 0) namespace.names.delete(name);
    if (before) tell(namespace, { type: 'deleted', service: before });
    return;
  }
  const latest = entries.reduce((best, entry) => (isLater(entry, best) ? entry : best));
  const nodes = entries.map(({ node }) => node).sort((one, other) => byCodeUnit(one.id, other.id));
  if (before && version.hash === latest.hash && sameNodes(before.nodes, nodes)) return;
  version.view = { name, version: number, ...latest.content, nodes };
  version.hash = latest.hash;
  tell(namespace, { type: before ? 'updated' : 'created', service: version.view });
}

function isLater(one: Entry, other: Entry): boolean {
  return one.since > other.since || (one.since === other.since && one.hash > other.hash);
}

function tell(
  namespace: Namespace,
  event: { readonly type: 'created' | 'updated' | 'deleted'; readonly service: Service },
): void {
  namespace.list = undefined;
  for (const [queue, only] of namespace.watches) {
    if (only === undefined || only === event.service.name) queue.push(event);
  }
}
