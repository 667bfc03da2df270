import { MicroError } from '@micro/errors';
import { expect, it } from 'vitest';
import { given } from './contract/taking.fixture.js';
import type { Consumer, Delivery, Events } from './events.js';
import { MemoryEvents } from './memory.js';
import { RemoteEvents } from './remote.js';
import { serveEvents } from './served-events.fixture.js';

/** Events whose deliveries are settled as told. */
class Settled extends MemoryEvents {
  readonly #how: Partial<Delivery>;

  constructor(how: Partial<Delivery>) {
    super();
    this.#how = how;
  }

  override async consume(...asked: Parameters<Events['consume']>): Promise<Consumer> {
    const consumer = await super.consume(...asked);
    const how = this.#how;
    const deliveries = async function* () {
      for await (const delivery of consumer) yield { ...delivery, ...how };
    };
    const close = () => consumer.close();
    return { [Symbol.asyncIterator]: deliveries, [Symbol.asyncDispose]: close, close };
  }
}

it('tells who gives an event more time and acknowledges it what became of which, whatever is done first', async () => {
  let extend: () => void = () => undefined;
  const extended = new Promise<void>((resolve) => (extend = resolve));
  const events = new Settled({
    extend: () => extended,
    ack: async () => {
      setImmediate(extend);
      throw new MicroError('unavailable', 'it is away', { id: 'broker' });
    },
  });
  const served = await serveEvents(events);
  const remote = new RemoteEvents(served.client);
  try {
    await remote.publish('orders', {});
    const delivery = await given(await remote.consume('orders', { group: 'g' }));
    const settled = await Promise.allSettled([delivery.extend(), delivery.ack()]);
    expect(settled).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'unavailable', detail: 'it is away' } },
    ]);
  } finally {
    await remote.close();
    await served.close();
  }
});
