import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { storeCapabilities } from './capabilities.js';
import { openStore } from './open.js';
import { storeContract } from './store.contract.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => void (folder = await temporaryFolder()));
afterAll(() => folder[Symbol.asyncDispose]());

storeContract('file', {
  capabilities: storeCapabilities.file,
  open: () => openStore({ adapter: 'file', folder: folder.path }),
});
