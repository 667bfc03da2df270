import { type CallContext, Metadata } from '@micro/rpc';
import { expect, it } from 'vitest';
import { BrokerHandlers } from './handlers.js';
import { MemoryBroker } from './memory.js';

it('a subscription that a stopping broker has ended is never said to be in force', async () => {
  const broker = new MemoryBroker();
  const handlers = new BrokerHandlers(broker);
  const sent: string[] = [];
  const context: Partial<CallContext> = {
    namespace: 'micro',
    signal: new AbortController().signal,
    responseHeaders: new Metadata(),
    sendHeaders: () => void sent.push('headers'),
  };
  const messages = handlers.subscribe({ topic: 'orders', queue: '' }, context as CallContext);
  const first = messages.next();
  handlers.stop();
  await expect(first).rejects.toMatchObject({ code: 'unavailable', detail: expect.stringContaining('stops') });
  expect(sent).toEqual([]);
  expect(await broker.topics()).toEqual([]);
  await broker.close();
});
