import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { lockCapabilities } from '../capabilities.js';
import { locksContract } from './locks.contract.js';
import { openLocks } from './open.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => void (folder = await temporaryFolder()));
afterAll(() => folder[Symbol.asyncDispose]());

locksContract('file', {
  capabilities: lockCapabilities.file,
  open: () => openLocks({ adapter: 'file', folder: folder.path }),
});
