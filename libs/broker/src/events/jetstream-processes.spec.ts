import { haveTool, natsTool, type NatsServers, startNats } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { processesContract } from './contract/processes.contract.js';

describe.skipIf(!haveTool(natsTool))('with a real server', () => {
  let server: NatsServers;
  beforeAll(async () => {
    server = await startNats({ config: 'max_payload: 2MB' });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  processesContract('jetstream', { config: async () => ({ adapter: 'jetstream', servers: server.addresses }) });
});
