/** How a subscription is found: as a node of a service that is named after its topic. */
import { createHash, randomBytes } from 'node:crypto';
import type { Node, Service } from '@micro/registry';

/** Metadata of service and node, by which listings of services can leave topics out. */
const kind = 'topic';
/** Bytes of a service's name, by the registry's rules. */
const longestName = 200;

export interface SubscriptionPlace {
  readonly topic: string;
  readonly queue: string | undefined;
  /** That nobody guesses. */
  readonly subscription: string;
  /** `host:port`. */
  readonly address: string;
}

export function newSubscription(): string {
  return randomBytes(16).toString('hex');
}

/** No topic is named as those are that stand for the names that are too long: their names have no `~`. */
export function serviceName(topic: string): string {
  const name = `topic.${topic}`;
  return name.length <= longestName ? name : `topic.~${createHash('sha256').update(topic).digest('hex')}`;
}

export function toService({ topic, queue, subscription, address }: SubscriptionPlace): Service {
  return {
    name: serviceName(topic),
    version: 'latest',
    metadata: { kind, topic },
    endpoints: [],
    nodes: [
      {
        id: `topic-${subscription.slice(0, 16)}`,
        address,
        metadata: { kind, protocol: 'http', subscription, ...(queue === undefined ? {} : { queue }) },
      },
    ],
  };
}

/** Undefined for a service that is none. */
export function topicOf({ metadata }: Pick<Service, 'metadata'>): string | undefined {
  return metadata['kind'] === kind ? metadata['topic'] : undefined;
}

/** Undefined for a node that is none. */
export function placeOf({ address, metadata }: Node): Omit<SubscriptionPlace, 'topic'> | undefined {
  const { subscription, queue } = metadata;
  if (metadata['kind'] !== kind || subscription === undefined || !/^[0-9a-f]{32}$/.test(subscription)) return undefined;
  return { address, subscription, queue: queue === '' ? undefined : queue };
}
