import { haveTool, type PostgresServer, postgresTool, startPostgres } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { storeCapabilities } from './capabilities.js';
import { openStore } from './open.js';
import { storeContract } from './store.contract.js';

/** A CockroachDB of your own, to run the suite on: what it keeps there is in tables whose names begin with micro_. */
const own = process.env['MICRO_TEST_COCKROACH'];

describe.skipIf(!own && !haveTool(postgresTool))('on a server', () => {
  let server: PostgresServer | undefined;
  beforeAll(async () => void (server = own ? undefined : await startPostgres()));
  afterAll(() => server?.[Symbol.asyncDispose]());

  storeContract('cockroach', {
    capabilities: storeCapabilities.cockroach,
    open: () => openStore({ adapter: 'cockroach', url: own ?? (server as PostgresServer).url }),
  });
});
