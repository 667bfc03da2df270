/** Micro as its users run it: `micro server` as built, on free ports with a home and an mDNS port of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, start, until } from './processes.mjs';

export const root = new URL('../..', import.meta.url).pathname;
export const services = ['registry', 'broker', 'store', 'runtime', 'proxy', 'api'];

export function platformHome() {
  const home = mkdtempSync(join(tmpdir(), 'micro-bench-home-'));
  process.once('exit', () => rmSync(home, { recursive: true, force: true }));
  return home;
}

/** Starts the platform and resolves when every part says that it is ready; `startMs` is how long that took. */
export async function startPlatform({ home = platformHome(), env = {} } = {}) {
  const ports = await freePorts(services.length + 1);
  const address = Object.fromEntries(services.map((name, index) => [name, `127.0.0.1:${ports[index]}`]));
  const settings = {
    MICRO_HOME: home,
    MICRO_MDNS_PORT: String(ports[services.length]),
    MICRO_LOG_LEVEL: 'warn',
    ...Object.fromEntries(services.map((name) => [`MICRO_${name.toUpperCase()}_ADDRESS`, address[name]])),
    ...env,
  };
  const started = performance.now();
  const server = start(join(root, 'apps/cli/bin/micro.mjs'), ['server'], settings);
  await until('the platform is healthy', async () => {
    const answers = await Promise.all(services.map((name) => fetch(`http://${address[name]}/readyz`)));
    return answers.every(({ ok }) => ok);
  });
  return { ...server, address, home, settings, startMs: performance.now() - started };
}

/** examples/helloworld as `micro run` would start it, but ours to stop. */
export async function startHelloworld(platform) {
  const [port] = await freePorts(1);
  const service = start(join(root, 'examples/helloworld/dist/src/main.js'), [], {
    MICRO_HOME: platform.home,
    MICRO_PROFILE: 'service',
    MICRO_ADDRESS: `127.0.0.1:${port}`,
    MICRO_REGISTRY_ADDRESS: platform.address.registry,
    MICRO_LOG_LEVEL: 'warn',
  });
  await until('helloworld answers through the gateway', async () => {
    const answer = await post(`http://${platform.address.api}/helloworld/call`);
    return answer.ok;
  });
  return { ...service, address: `127.0.0.1:${port}` };
}

export function post(url, body = '{"name":"Alice"}') {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
}
