import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReadyProbe } from './process-spec.js';

/** Ready when `GET http://<address>/readyz` answers 200; asked every 25 milliseconds. */
export function readyz(address: string): ReadyProbe {
  return async ({ signal }) => {
    while (!signal.aborted) {
      if (await answers(address, signal)) return address;
      await delay(25, undefined, { signal }).catch(() => undefined);
    }
  };
}

/** Ready when it has not ended within so many milliseconds: for programs that tell nobody. */
export function staysUp(ms: number): ReadyProbe {
  return async ({ signal }) => {
    await delay(ms, undefined, { signal }).catch(() => undefined);
  };
}

function answers(address: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(`http://${address}/readyz`, { signal, agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', () => resolve(false));
    asked.end();
  });
}
