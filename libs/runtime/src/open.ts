import type { Client } from '@micro/rpc';
import type { ProcessRuntimeOptions } from './process.js';
import type { Runtime } from './runtime.js';

/** Which adapter, with all that it needs. */
export type RuntimeConfig =
  ({ readonly adapter: 'process' } & ProcessRuntimeOptions) | { readonly adapter: 'remote'; readonly client: Client };

/** Opens the runtime that the configuration names; an adapter is loaded only when chosen. MicroError where it cannot be opened. */
export async function openRuntime(config: RuntimeConfig): Promise<Runtime> {
  switch (config.adapter) {
    case 'process': {
      const { ProcessRuntime } = await import('./process.js');
      return ProcessRuntime.open(config);
    }
    case 'remote': {
      const { RemoteRuntime } = await import('./remote.js');
      return new RemoteRuntime(config.client);
    }
  }
}
