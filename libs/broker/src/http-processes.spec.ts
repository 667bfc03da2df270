import { freePort, temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { processesContract } from './processes.contract.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let port: number;
beforeAll(async () => {
  folder = await temporaryFolder();
  port = await freePort();
});
afterAll(() => folder[Symbol.asyncDispose]());

processesContract('http', {
  args: async () => ['http', `${port}`, `${folder.path}/registry.json`],
  handedTo: 'subscriber',
});
