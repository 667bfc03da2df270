import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import type { Registry } from '@micro/registry';
import { silentLogger } from '@micro/telemetry';
import { storeApp } from './store.app.js';

/** The app at an address, as it keeps its data in files of a folder. */
export function startOnFiles(folder: string, registry: Registry, address = '127.0.0.1:0'): Promise<RunningApp> {
  const environment = readEnvironment({
    MICRO_PROFILE: 'test',
    MICRO_STORE: 'file',
    MICRO_ADDRESS: address,
    MICRO_HOME: folder,
    MICRO_STOP_DELAY: '0',
  });
  return startApp(storeApp, { environment, registry, logger: silentLogger });
}

/** A call as curl makes it: `127.0.0.1:8002/store.Store/Read`. */
export async function post(
  url: string,
  body: unknown,
  namespace: string,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(`http://${url}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'micro-namespace': namespace },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
