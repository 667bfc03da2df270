import { haveTool, natsTool, startNats } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { blobCapabilities } from '../capabilities.js';
import { blobsContract } from './blobs.contract.js';
import { openBlobs } from './open.js';

describe.skipIf(!haveTool(natsTool))('with a real server', () => {
  let server: Awaited<ReturnType<typeof startNats>>;
  beforeAll(async () => void (server = await startNats()));
  afterAll(() => server[Symbol.asyncDispose]());

  blobsContract('nats', {
    capabilities: blobCapabilities.nats,
    open: () => openBlobs({ adapter: 'nats', servers: server.addresses }),
  });
});
