import type { SubscribeOptions } from '@micro/service/adapter';
import { brokerContract } from '@micro/service/contract';
import { OwnBroker } from './own-messages.js';

const alone = { survives: 'nothing', shared: 'instance' } as const;
class WithoutQueues extends OwnBroker {
  override subscribe(topic: string, { queue: _, ...options }: SubscribeOptions = {}) {
    return super.subscribe(topic, options);
  }
}
brokerContract('ignores queues', { capabilities: alone, open: async () => new WithoutQueues() });
