import { afterEach, beforeEach, describe } from 'vitest';
import { leavingContract } from './contract/leaving.contract.js';
import { readingContract } from './contract/reading.contract.js';
import { registeringContract } from './contract/registering.contract.js';
import { watchingContract } from './contract/watching.contract.js';
import type { Registry, Service } from './registry.js';

/** What an adapter can do beyond the contract. The suite checks that it is there where it is declared, and not where it is not. */
export interface RegistryCapabilities {
  /** Registrations are seen by other processes of the machine, and outlive none of them by more than their time to live. */
  readonly crossProcess: boolean;
}

/** Registries of one adapter that all see the same services, and nobody else's. */
export interface RegistryWorld {
  open(): Promise<Registry>;
  /** Registers from a process of its own, and returns once that is done. `kill` is kill -9. */
  registerElsewhere(service: Service, ttl: number): Promise<{ kill(): Promise<void> }>;
  /** Called after all registries are closed. */
  close(): Promise<void>;
}

/** What the tests of an adapter work on: each has a world of its own, and one registry open in it. */
export interface ContractRig {
  readonly registry: Registry;
  /** Another registry that sees the same services; closed with the test. */
  open(): Promise<Registry>;
  registerElsewhere: RegistryWorld['registerElsewhere'];
  /** `name version` of all services, in the order of `list`. */
  names(from?: Registry): Promise<string[]>;
  /** Ids of the nodes of all versions, sorted. */
  nodes(name: string, from?: Registry): Promise<string[]>;
}

/** Milliseconds: registrations take at least a second to expire, and the machine may be busy. Whoever runs the suite need not know. */
const testTimeout = 20_000;

/** The contract of registry.ts, run on an adapter. */
export function registryContract(
  adapter: string,
  capabilities: RegistryCapabilities,
  create: () => Promise<RegistryWorld>,
): void {
  describe(`${adapter} registry`, { timeout: testTimeout }, () => {
    const rig = rigOf(create);
    readingContract(rig);
    registeringContract(rig);
    watchingContract(rig);
    leavingContract(rig, capabilities);
  });
}

/** A new world for every test of the suite that it is called in. */
function rigOf(create: () => Promise<RegistryWorld>): ContractRig {
  let world: RegistryWorld;
  let registry: Registry;
  let opened: Registry[];
  const open = async () => {
    const another = await world.open();
    opened.push(another);
    return another;
  };
  beforeEach(async () => {
    opened = [];
    world = await create();
    registry = await open();
  });
  afterEach(async () => {
    await Promise.all(opened.map((one) => one.close()));
    await world.close();
  });
  return {
    get registry() {
      return registry;
    },
    open,
    registerElsewhere: (service: Service, ttl: number) => world.registerElsewhere(service, ttl),
    names: async (from = registry) => (await from.list()).map(({ name, version }) => `${name} ${version}`),
    nodes: async (name, from = registry) =>
      (await from.get(name)).flatMap((service) => service.nodes.map(({ id }) => id)).sort(),
  };
}
