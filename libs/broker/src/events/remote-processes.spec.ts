import { temporaryFolder } from '@micro/testing';
import { processesContract } from './contract/processes.contract.js';
import { LogEvents } from './log.js';
import { serveEvents, type ServedEvents } from './served-events.fixture.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let served: ServedEvents;

processesContract('remote', {
  config: async () => {
    folder = await temporaryFolder();
    served = await serveEvents(new LogEvents({ folder: folder.path }));
    return { adapter: 'remote', address: served.address };
  },
  removed: async () => {
    await served.close();
    await folder[Symbol.asyncDispose]();
  },
});
