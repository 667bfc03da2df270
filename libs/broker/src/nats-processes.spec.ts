import { haveTool, natsTool, startNats } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { processesContract } from './processes.contract.js';

describe.skipIf(!haveTool(natsTool))('with a cluster of three', () => {
  let cluster: Awaited<ReturnType<typeof startNats>>;
  let started = 0;
  beforeAll(async () => void (cluster = await startNats({ members: 3 })));
  afterAll(() => cluster[Symbol.asyncDispose]());

  // Each on another member.
  processesContract('nats', {
    args: async () => ['nats', cluster.addresses[started++ % 3] as string],
    handedTo: 'subscriber',
  });
});
