import { MicroError } from '@micro/errors';
import type { Logger } from '@micro/telemetry';
import type { Discovery, Target } from '../discovery.js';
import { Balancer, type Health, tiersOf } from './balancer.js';
import type { EjectionOptions } from './ejection.js';
import { Peer } from './peer.js';

export interface DirectoryOptions {
  readonly discovery: Discovery;
  readonly zone: string;
  readonly region: string;
  readonly concurrentCalls: number;
  readonly connectionsPerNode: number;
  readonly messageBytes: number;
  readonly ejection: EjectionOptions;
  readonly logger: Logger | undefined;
}

/** Milliseconds between two looks at services nobody calls, whose nodes may be gone. */
const sweepEvery = 5_000;
/** Sweeps after which a service that was not called is forgotten. */
const idleSweeps = 24;

/** A service in a namespace: its nodes, and the calls to it. */
export class Group {
  readonly balancer: Balancer<Peer>;
  inFlight = 0;
  /** What `peers` was made from. */
  targets: readonly Target[] = [];
  peers: readonly Peer[] = [];
  /** Whether some of the peers only speak gRPC. */
  mixed = false;
  idle = 0;

  constructor(
    readonly service: string,
    /** Undefined: not a service but a single address. */
    readonly namespace: string | undefined,
    /** Calls under way at most. */
    readonly limit: number,
    health: Health,
  ) {
    this.balancer = new Balancer(health);
  }
}

/** The services that a client has called and the nodes behind them, kept in step with discovery. A node of several services is one peer. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #health: Health = { version: 0 };
  readonly #groups = new Map<string, Map<string, Group>>();
  readonly #addresses = new Map<string, Group>();
  readonly #peers = new Map<string, Peer>();
  /** Nodes of no service any more, whose calls have not ended. */
  readonly #leaving = new Set<Peer>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** The service with its nodes as of now; a promise while discovery does not know yet. MicroError `not_found` if it has none. */
  group(service: string, namespace: string): Group | Promise<Group> {
    const targets = this.#options.discovery.targets(service, namespace);
    return targets instanceof Promise
      ? targets.then((found) => this.#current(service, namespace, found))
      : this.#current(service, namespace, targets);
  }

  /** A single address as a service of its own. */
  address(address: string): Group {
    let group = this.#addresses.get(address);
    if (!group) {
      group = new Group(address, undefined, this.#options.concurrentCalls, this.#health);
      this.#addresses.set(address, group);
      this.#update(group, [{ id: address, address, connect: true, region: '', zone: '' }]);
      this.#startSweeping();
    }
    group.idle = 0;
    return group;
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all([...this.#peers.values(), ...this.#leaving].map((peer) => peer.destroy()));
    this.#peers.clear();
    this.#leaving.clear();
    this.#groups.clear();
    this.#addresses.clear();
  }

  #current(service: string, namespace: string, targets: readonly Target[]): Group {
    let group = this.#groups.get(namespace)?.get(service);
    if (group && group.targets === targets && targets.length > 0) {
      group.idle = 0;
      return group;
    }
    if (targets.length === 0) {
      if (group) this.#forget(group);
      throw new MicroError(
        'not_found',
        `service "${service}" is not registered in namespace "${namespace}": start it, or see what runs with \`micro services\``,
      );
    }
    if (!group) {
      group = new Group(service, namespace, this.#options.concurrentCalls, this.#health);
      const services = this.#groups.get(namespace) ?? new Map<string, Group>();
      this.#groups.set(namespace, services.set(service, group));
      this.#startSweeping();
    }
    this.#update(group, targets);
    group.idle = 0;
    return group;
  }

  #update(group: Group, targets: readonly Target[]): void {
    const before = group.peers;
    const nodes = targets.map((target) => ({ node: this.#peer(target), zone: target.zone, region: target.region }));
    group.targets = targets;
    group.peers = nodes.map(({ node }) => node);
    group.mixed = group.peers.some(({ connect }) => !connect);
    for (const peer of group.peers) peer.references++;
    group.balancer.replace(tiersOf(nodes, this.#options));
    this.#release(before);
  }

  #peer(target: Target): Peer {
    const key = `${target.id} ${target.address} ${target.connect}`;
    let peer = this.#peers.get(key);
    if (!peer) {
      const { connectionsPerNode, messageBytes, ejection, logger } = this.#options;
      peer = new Peer(key, target, {
        connectionsPerNode,
        messageBytes,
        ejection,
        health: this.#health,
        onEjection: ({ address }, ejected, why) => {
          if (ejected)
            logger?.warn('node ejected: it gets no calls until it answers again', { node: target.id, address, why });
          else logger?.info('node is back', { node: target.id, address });
        },
      });
      this.#peers.set(key, peer);
    }
    return peer;
  }

  #release(peers: readonly Peer[]): void {
    for (const peer of peers) {
      if (--peer.references > 0) continue;
      this.#peers.delete(peer.key);
      peer.retire();
      this.#leaving.add(peer);
    }
  }

  #forget(group: Group): void {
    const { service, namespace } = group;
    if (namespace === undefined) {
      this.#addresses.delete(service);
    } else {
      const services = this.#groups.get(namespace);
      services?.delete(service);
      if (services?.size === 0) this.#groups.delete(namespace);
    }
    this.#release(group.peers);
    group.peers = [];
    group.targets = [];
    group.balancer.replace([]);
  }

  #startSweeping(): void {
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepEvery).unref();
  }

  #sweep(): void {
    const groups = [
      ...this.#addresses.values(),
      ...[...this.#groups.values()].flatMap((services) => [...services.values()]),
    ];
    for (const group of groups) {
      if (group.inFlight === 0 && ++group.idle > idleSweeps) this.#forget(group);
      else if (group.namespace !== undefined) this.#refresh(group, group.namespace);
    }
    for (const peer of this.#leaving) if (peer.inFlight + peer.streams === 0) this.#leaving.delete(peer);
    if (this.#groups.size === 0 && this.#addresses.size === 0 && this.#leaving.size === 0) {
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
    }
  }

  #refresh(group: Group, namespace: string): void {
    const targets = this.#options.discovery.targets(group.service, namespace);
    // A promise: discovery has forgotten the service as well; it is looked up with the next call.
    if (targets instanceof Promise) void targets.catch(() => undefined);
    else if (targets.length === 0) this.#forget(group);
    else if (targets !== group.targets) this.#update(group, targets);
  }
}
