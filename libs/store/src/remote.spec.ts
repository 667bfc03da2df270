import { Client, fixedTargets } from '@micro/rpc';
import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { storeCapabilities } from './capabilities.js';
import { openStore } from './open.js';
import { serveStore } from './served-store.fixture.js';
import { storeContract } from './store.contract.js';

let client: Client;
const close: (() => unknown)[] = [];

beforeAll(async () => {
  const folder = await temporaryFolder();
  const store = await openStore({ adapter: 'file', folder: folder.path });
  const served = await serveStore(store);
  client = new Client({ discovery: fixedTargets(served.address) });
  close.push(
    () => client.close(),
    () => served.close(),
    () => store.close(),
    () => folder[Symbol.asyncDispose](),
  );
});
afterAll(async () => {
  for (const one of close) await one();
});

storeContract('remote', {
  capabilities: storeCapabilities.remote,
  open: () => openStore({ adapter: 'remote', client }),
});
