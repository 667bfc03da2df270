import { haveTool, natsTool, startNats } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { blobCapabilities } from '../capabilities.js';
import { blobsContract } from './blobs.contract.js';
import { openBlobs } from './open.js';

describe.skipIf(!haveTool(natsTool))('with a cluster of three', () => {
  let cluster: Awaited<ReturnType<typeof startNats>>;
  let opened = 0;
  beforeAll(async () => void (cluster = await startNats({ members: 3 })));
  afterAll(() => cluster[Symbol.asyncDispose]());

  // Each on another member.
  blobsContract('nats', {
    capabilities: blobCapabilities.nats,
    open: () => openBlobs({ adapter: 'nats', servers: [cluster.addresses[opened++ % 3] as string], replicas: 3 }),
  });
});
