/** What an adapter keeps through a fault, of what it has acknowledged: nothing; the death of its process (kill -9); a power cut. */
export type Survives = 'nothing' | 'process' | 'power';

/** Who hears or sees the same: this instance alone; every process on the machine; whoever reaches the servers. */
export type Shared = 'instance' | 'machine' | 'network';

/** What differs between the broker's adapters. Everything else that the contract says holds on each of them. */
export interface BrokerCapabilities {
  readonly shared: Shared;
}

/** What differs between the adapters of events. */
export interface EventsCapabilities {
  readonly survives: Survives;
  readonly shared: Shared;
}

/** `http` reaches as far as the registry that it finds subscribers in: with mDNS on loopback, the machine. */
export const brokerCapabilities = {
  memory: { shared: 'instance' },
  http: { shared: 'machine' },
  nats: { shared: 'network' },
  remote: { shared: 'network' },
} as const satisfies Record<string, BrokerCapabilities>;

/** `remote` is what the adapter behind apps/broker is: here as `micro server` runs it, on a log in SQLite. */
export const eventsCapabilities = {
  memory: { survives: 'nothing', shared: 'instance' },
  log: { survives: 'power', shared: 'machine' },
  jetstream: { survives: 'process', shared: 'network' },
  remote: { survives: 'power', shared: 'network' },
} as const satisfies Record<string, EventsCapabilities>;
