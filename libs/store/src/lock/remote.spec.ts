import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { lockCapabilities } from '../capabilities.js';
import { locksContract } from './locks.contract.js';
import { openLocks } from './open.js';
import { serveLocks } from './served-locks.fixture.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let served: Awaited<ReturnType<typeof serveLocks>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  served = await serveLocks(await openLocks({ adapter: 'file', folder: folder.path }));
});
afterAll(async () => {
  await served.close();
  await folder[Symbol.asyncDispose]();
});

locksContract('remote', {
  capabilities: lockCapabilities.remote,
  open: () => openLocks({ adapter: 'remote', client: served.client }),
});
