import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe } from 'vitest';
import type { EventsCapabilities } from '../capabilities.js';
import { consumingContract } from './contract/consuming.contract.js';
import { deadLettersContract } from './contract/dead-letters.contract.js';
import { followingContract } from './contract/following.contract.js';
import { keepingContract } from './contract/keeping.contract.js';
import { publishingContract } from './contract/publishing.contract.js';
import { randomContract } from './contract/random.contract.js';
import { readingContract } from './contract/reading.contract.js';
import { settlingContract } from './contract/settling.contract.js';
import type { ConsumeOptions, Consumer, Events, Retention } from './events.js';

export interface EventsContractOptions {
  readonly capabilities: EventsCapabilities;
  /**
   * Events of the same streams each time, unless they share with nobody but themselves; the suite closes them. With a retention: it holds in the
   * namespaces that are used through them, in which the suite opens none without.
   */
  readonly open: (retention?: Retention) => Promise<Events>;
}

/** What the tests of an adapter work on: each has a namespace that no other has. */
export interface EventsRig {
  readonly capabilities: EventsCapabilities;
  readonly namespace: string;
  /** Two that see the same streams; one and the same where an instance sees only its own. */
  readonly events: Events;
  readonly others: Events;
  /** Closed with the test. */
  open(retention?: Retention): Promise<Events>;
  /** One event a text, one after the other. */
  publish(stream: string, ...texts: readonly string[]): Promise<void>;
  /** Closed with the test. */
  consume(stream: string, options?: Partial<ConsumeOptions>, from?: Events): Promise<Consumer>;
  /** Bodies as texts, of all that is kept. */
  texts(stream: string): Promise<string[]>;
}

/** Milliseconds: leases and retention take their time, and the machine may be busy. Whoever runs the suite need not know. */
const testTimeout = 30_000;

/** The contract of events.ts, run on an adapter. */
export function eventsContract(adapter: string, options: EventsContractOptions): void {
  describe(`${adapter} events`, { timeout: testTimeout }, () => {
    const rig = rigOf(options);
    publishingContract(rig);
    readingContract(rig);
    followingContract(rig);
    consumingContract(rig);
    settlingContract(rig);
    deadLettersContract(rig);
    keepingContract(rig);
    randomContract(rig);
  });
}

function rigOf({ capabilities, open }: EventsContractOptions): EventsRig {
  let opened: Events[] = [];
  let namespace = '';
  let events: Events;
  let others: Events;
  const another = async (retention?: Retention) => {
    const one = await open(retention);
    opened.push(one);
    return one;
  };
  beforeEach(async () => {
    opened = [];
    namespace = `n-${randomUUID()}`;
    events = await another();
    others = capabilities.shared === 'instance' ? events : await another();
  });
  afterEach(async () => {
    await Promise.all(opened.map((one) => one.close()));
  });
  return {
    capabilities,
    get namespace() {
      return namespace;
    },
    get events() {
      return events;
    },
    get others() {
      return others;
    },
    open: another,
    publish: async (stream, ...texts) => {
      for (const text of texts) await events.publish(stream, { body: Buffer.from(text) }, { namespace });
    },
    consume: (stream, options = {}, from = events) => from.consume(stream, { group: 'g', namespace, ...options }),
    texts: async (stream) => {
      const texts: string[] = [];
      for (let offset = 0n; ;) {
        const page = await events.read(stream, { from: { offset }, namespace });
        const last = page.at(-1);
        if (!last) return texts;
        texts.push(...page.map(({ body }) => Buffer.from(body).toString()));
        offset = last.offset + 1n;
      }
    },
  };
}
