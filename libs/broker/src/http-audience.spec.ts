import { openRegistry } from '@micro/registry';
import { until } from '@micro/testing';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Audience } from './http-audience.js';
import { newSubscription, toService } from './http-topic.js';
import type { Outcome } from './outlet.js';

// The publisher's patience does not end, however busy the machine.
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

it('who takes the place of the only one of a queue gets what that one cannot be given any more', async () => {
  const registry = await openRegistry({ adapter: 'memory' });
  const known: string[] = [];
  const given: string[] = [];
  let answer: (outcome: Outcome) => void = () => undefined;
  const audience = new Audience({
    registry,
    namespace: 'micro',
    topic: 'orders',
    reach: ({ address }) => {
      known.push(address);
      return {
        send: () => {
          given.push(address);
          return { outcome: new Promise<Outcome>((resolve) => (answer = resolve)), cancel: () => undefined };
        },
        leave: () => undefined,
      };
    },
  });
  const [first, second] = ['127.0.0.1:1', '127.0.0.1:2'].map((address) =>
    toService({ topic: 'orders', queue: 'q', subscription: newSubscription(), address }),
  );
  await registry.register(first!);
  const published = audience.send({ topic: 'orders', headers: {}, body: new Uint8Array() });
  await until('the first is asked', () => given.length === 1);
  await registry.deregister(first!);
  await registry.register(second!);
  await until('the second is known', () => known.length === 2);
  answer('gone');
  await until('it is asked, too', () => given.length === 2);
  answer({ taken: 1, waiting: 0 });
  await published;
  expect(given).toEqual(['127.0.0.1:1', '127.0.0.1:2']);
  audience.close();
  await registry.close();
});
