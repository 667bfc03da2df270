import { temporaryFolder } from '@micro/testing';
import { afterEach } from 'vitest';
import { openStore } from './open.js';
import { processesContract } from './processes.contract.js';
import { serveStore } from './served-store.fixture.js';

const close: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of close.splice(0)) await one();
});

processesContract('remote', {
  fresh: async () => {
    const folder = await temporaryFolder();
    const store = await openStore({ adapter: 'file', folder: folder.path });
    const served = await serveStore(store);
    close.push(
      () => served.close(),
      () => store.close(),
      () => folder[Symbol.asyncDispose](),
    );
    return { adapter: 'remote', address: served.address };
  },
  rounds: 40,
});
