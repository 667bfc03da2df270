import { temporaryFolder } from '@micro/testing';
import { processesContract } from './contract/processes.contract.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

processesContract('log', {
  config: async () => {
    folder = await temporaryFolder();
    return { adapter: 'log', folder: folder.path };
  },
  removed: () => folder[Symbol.asyncDispose](),
});
