import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { eventsCapabilities } from '../capabilities.js';
import { eventsContract } from './events.contract.js';
import { LogEvents } from './log.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

eventsContract('log', {
  capabilities: eventsCapabilities.log,
  open: async (retention) => new LogEvents({ folder: folder.path, retention }),
});
