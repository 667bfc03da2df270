import type { Target } from '@micro/rpc';
import { byCodeUnit, inOrder } from './catalog.js';
import { versionKey } from './content.js';
import { type Endpoint, type Node, type RegistryEvent, type Service, sharedKey } from './registry.js';

/** A method and the service version that has it. */
export interface Provided {
  readonly service: Service;
  readonly endpoint: Endpoint;
}

type Change = Exclude<RegistryEvent, { readonly type: 'synced' }>;

const none: readonly never[] = [];

/** One namespace in memory, with an index for each question that is asked on the way of a call. */
export class CacheView {
  /** Whether it was filled once. */
  warm = false;
  readonly #versions = new Map<string, Service>();
  readonly #byName = new Map<string, readonly Service[]>();
  /**
   * Asked on every call, by a name that the caller holds. V8 finds a property of a known name by its identity alone, where a Map compares
   * text along chains that grow with it: among 1,000 services that is half the time. Without a prototype, any name will do.
   */
  readonly #targets = Object.create(null) as Record<string, readonly Target[] | undefined>;
  /** Who has a path, best last: there is hardly ever more than one. */
  readonly #paths = new Map<string, readonly Provided[]>();
  #list: readonly Service[] | undefined;

  /** How many versions of services there are. */
  get size(): number {
    return this.#versions.size;
  }

  /** Takes over what is there now, and only the difference to what was. */
  replace(services: Iterable<Service>): void {
    const gone = new Map(this.#versions);
    for (const service of services) {
      gone.delete(versionKey(service));
      this.apply({ type: 'updated', service });
    }
    for (const service of gone.values()) this.apply({ type: 'deleted', service });
    this.warm = true;
  }

  apply({ type, service }: Change): void {
    const key = versionKey(service);
    const { name } = service;
    const before = this.#versions.get(key);
    const now = type === 'deleted' ? undefined : service;
    if (now) this.#versions.set(key, now);
    else this.#versions.delete(key);
    const others = this.versions(name).filter((one) => one !== before);
    set(this.#byName, name, now ? [...others, now].sort(inOrder) : others);
    const targets = this.#targetsOf(name);
    if (targets.length > 0) this.#targets[name] = targets;
    else delete this.#targets[name];
    for (const { path } of before?.endpoints ?? none) {
      set(
        this.#paths,
        path,
        (this.#paths.get(path) ?? none).filter((one) => one.service !== before),
      );
    }
    for (const endpoint of now?.endpoints ?? none) {
      const others = this.#paths.get(endpoint.path) ?? none;
      set(this.#paths, endpoint.path, [...others, { service, endpoint }].sort(byPreference));
    }
    this.#list = undefined;
  }

  versions(name: string): readonly Service[] {
    return this.#byName.get(name) ?? none;
  }

  targets(name: string): readonly Target[] {
    return this.#targets[name] ?? none;
  }

  list(): readonly Service[] {
    return (this.#list ??= [...this.#versions.values()].sort(inOrder));
  }

  endpoint(path: string): Provided | undefined {
    return this.#paths.get(path)?.at(-1);
  }

  /** The same array as before if it would say the same: whoever holds it sees at a glance that nothing has changed. */
  #targetsOf(name: string): readonly Target[] {
    const before = this.targets(name);
    const now = this.versions(name).flatMap(({ nodes }) => nodes.flatMap(targetOf));
    const same =
      now.length === before.length && now.every((target, index) => sameTarget(target, before[index] as Target));
    return same ? before : now;
  }
}

/** The part of a service that callers of other namespaces may reach: its shared nodes. Undefined if it has none. */
export function shared(service: Service): Service | undefined {
  const nodes = service.nodes.filter(({ metadata }) => metadata[sharedKey] === 'true');
  return nodes.length > 0 ? { ...service, nodes } : undefined;
}

/** Nothing for a node that takes no calls, as of a web page. One that does not say what it speaks is taken for a gRPC server. */
function targetOf({ id, address, metadata }: Node): readonly Target[] {
  const protocols = (metadata['protocol'] || 'grpc').split(',').map((one) => one.trim());
  const connect = protocols.includes('connect');
  if (!connect && !protocols.includes('grpc')) return none;
  return [{ id, address, connect, region: metadata['region'] ?? '', zone: metadata['zone'] ?? '' }];
}

function sameTarget(one: Target, other: Target): boolean {
  return (
    one.id === other.id &&
    one.address === other.address &&
    one.connect === other.connect &&
    one.region === other.region &&
    one.zone === other.zone
  );
}

function byPreference(one: Provided, other: Provided): number {
  return (
    Number(isNamesake(one)) - Number(isNamesake(other)) ||
    byCodeUnit(one.service.version, other.service.version) ||
    byCodeUnit(other.service.name, one.service.name)
  );
}

/** Whether the service is named like the package of the path: `/helloworld.Helloworld/Call` of `helloworld`. */
function isNamesake({ service: { name }, endpoint: { path } }: Provided): boolean {
  return path.startsWith(`/${name}.`) && !path.slice(name.length + 2, path.lastIndexOf('/')).includes('.');
}

function set<Value>(map: Map<string, readonly Value[]>, key: string, values: readonly Value[]): void {
  if (values.length > 0) map.set(key, values);
  else map.delete(key);
}
