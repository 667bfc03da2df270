import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { lockProcesses } from './processes.contract.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => void (folder = await temporaryFolder()));
afterAll(() => folder[Symbol.asyncDispose]());

lockProcesses('file', { config: () => ({ adapter: 'file', folder: folder.path }) });
