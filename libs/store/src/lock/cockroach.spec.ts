import { haveTool, type PostgresServer, postgresTool, startPostgres } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { lockCapabilities } from '../capabilities.js';
import { locksContract } from './locks.contract.js';
import { openLocks } from './open.js';

describe.skipIf(!haveTool(postgresTool))('a database', () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await startPostgres()));
  afterAll(() => server[Symbol.asyncDispose]());

  locksContract('cockroach', {
    capabilities: lockCapabilities.cockroach,
    open: () => openLocks({ adapter: 'cockroach', url: server.url }),
  });
});
