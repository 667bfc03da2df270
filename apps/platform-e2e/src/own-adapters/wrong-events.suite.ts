import type { ConsumeOptions, EventsOptions, NewEvent } from '@micro/service/adapter';
import { eventsContract } from '@micro/service/contract';
import { OwnEvents } from './own-messages.js';

const alone = { survives: 'nothing', shared: 'instance' } as const;
class WithoutIds extends OwnEvents {
  override publish(stream: string, { id: _, ...event }: NewEvent, options?: EventsOptions) {
    return super.publish(stream, event, options);
  }
}
eventsContract('keeps repetitions', { capabilities: alone, open: async (retention) => new WithoutIds(retention) });

class WithoutLimit extends OwnEvents {
  override consume(stream: string, options: ConsumeOptions) {
    return super.consume(stream, { ...options, maxDeliveries: 1_000 });
  }
}
eventsContract('never gives up', { capabilities: alone, open: async (retention) => new WithoutLimit(retention) });
