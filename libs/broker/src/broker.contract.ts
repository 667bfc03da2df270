import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe } from 'vitest';
import type { Broker, SubscribeOptions, Subscription } from './broker.js';
import type { BrokerCapabilities } from './capabilities.js';
import { endingContract } from './contract/ending.contract.js';
import { bytes, type Listening, listening } from './contract/messages.fixture.js';
import { publishingContract } from './contract/publishing.contract.js';
import { randomContract } from './contract/random.contract.js';
import { subscribingContract } from './contract/subscribing.contract.js';
import { waitingContract } from './contract/waiting.contract.js';

export interface BrokerContractOptions {
  readonly capabilities: BrokerCapabilities;
  /** A broker that hears what others opened here publish, unless it shares with nobody but itself. The suite closes it. */
  readonly open: () => Promise<Broker>;
}

/** What the tests of an adapter work on: each has two brokers, and a namespace of its own. */
export interface ContractRig {
  /** Two that hear each other; one and the same where an instance hears only itself. */
  readonly publisher: Broker;
  readonly subscriber: Broker;
  /** Of no other test. */
  readonly namespace: string;
  /** Another broker as the options open it; closed with the test. */
  another(): Promise<Broker>;
  subscribe(topic: string, options?: SubscribeOptions, broker?: Broker): Promise<Subscription>;
  /** Subscribes, and takes whatever comes. */
  listen(topic: string, options?: SubscribeOptions, broker?: Broker): Promise<Listening>;
  publish(topic: string, body?: string | Uint8Array, headers?: Readonly<Record<string, string>>): Promise<void>;
}

const testTimeout = 30_000;

/** The contract of broker.ts, run on an adapter. */
export function brokerContract(adapter: string, { open, capabilities }: BrokerContractOptions): void {
  describe(`${adapter} broker`, { timeout: testTimeout }, () => {
    const rig = rigOf(open, capabilities);
    publishingContract(rig);
    subscribingContract(rig, capabilities);
    waitingContract(rig);
    endingContract(rig, capabilities);
    randomContract(rig);
  });
}

/** New brokers and a new namespace for every test of the suite that it is called in. */
function rigOf(open: () => Promise<Broker>, capabilities: BrokerCapabilities): ContractRig {
  let opened: Broker[];
  let publisher: Broker;
  let subscriber: Broker;
  let namespace: string;
  const another = async () => {
    const broker = await open();
    opened.push(broker);
    return broker;
  };
  const subscribe: ContractRig['subscribe'] = (topic, options = {}, broker = subscriber) =>
    broker.subscribe(topic, { namespace, ...options });
  beforeEach(async () => {
    opened = [];
    namespace = `n-${randomUUID()}`;
    publisher = await another();
    subscriber = capabilities.shared === 'instance' ? publisher : await another();
  });
  afterEach(async () => {
    await Promise.all(opened.map((broker) => broker.close()));
  });
  return {
    get publisher() {
      return publisher;
    },
    get subscriber() {
      return subscriber;
    },
    get namespace() {
      return namespace;
    },
    another,
    subscribe,
    listen: async (topic, options, broker) => listening(await subscribe(topic, options, broker)),
    publish: (topic, body = '', headers) => publisher.publish(topic, { body: bytes(body), headers }, { namespace }),
  };
}
