import { ProcessRuntime } from './process.js';
import { runtimeContract } from './runtime.contract.js';

runtimeContract('process', { folders: true, commands: true, watch: true }, async (home) => {
  const timing = { settle: 500, grace: 3_000, debounce: 50, restart: { minDelay: 20, maxDelay: 200 } };
  const runtime = await ProcessRuntime.open({ home, env: process.env, timing });
  return { runtime, close: () => runtime.close() };
});
