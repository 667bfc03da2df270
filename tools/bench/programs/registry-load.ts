/**
 * Fills a registry from one process and watches it from another: `registry-load.js services nodes mdns port folder`, or `… etcd`, on an etcd
 * that it starts. Prints one line of JSON: nanoseconds a look-up, milliseconds a list, milliseconds until a change is seen.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openRegistry, type Registry, RegistryCache, type Service } from '@micro/registry';
import { startEtcd } from '@micro/testing';

const [services, nodes] = process.argv.slice(2, 4).map(Number) as [number, number];
const [adapter, ...place] = process.argv.slice(4) as ['mdns' | 'etcd', ...string[]];
const watching = process.send !== undefined;

if (watching) await watch(await open(place));
else if (adapter === 'mdns') await fill(place);
else {
  await using etcd = await startEtcd();
  await fill(etcd.addresses);
}
process.exit(0);

function open(place: readonly string[]): Promise<Registry> {
  const [port, folder] = place;
  if (adapter === 'etcd') return openRegistry({ adapter, addresses: place });
  return openRegistry({ adapter, port: Number(port), fallbackFile: `${folder}/registry-${port}.json` });
}

async function fill(place: readonly string[]): Promise<void> {
  const registry = await open(place);
  for (let index = 0; index < services; index++) await registry.register(service(index), { ttl: 120_000 });
  const args = [...process.argv.slice(2, 5), ...place];
  const watcher = fork(fileURLToPath(import.meta.url), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  watcher.on('message', (message: 'change' | 'done') => {
    if (message === 'change') void registry.register({ ...service(0), nodes: [...service(0).nodes, node(0, `new-${Date.now()}`)], metadata: { at: String(Date.now()) } });
    else watcher.kill();
  });
  const code = await new Promise((resolve) => watcher.once('exit', resolve));
  await registry.close();
  if (code) throw new Error(`the watcher ended with ${code}`);
}

async function watch(registry: Registry): Promise<void> {
  // Nothing that a registry has open keeps a process alive.
  process.channel?.ref();
  const cache = new RegistryCache(registry);
  await cache.ready();
  while (cache.services().reduce((sum, one) => sum + one.nodes.length, 0) < services * nodes) await new Promise((resolve) => setTimeout(resolve, 20));
  // Announcements of the beginning are over before the change is timed.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const lookupNs = lookUp(cache);
  const listStarted = performance.now();
  const listed = await registry.list();
  const listMs = performance.now() - listStarted;
  if (listed.length !== services) throw new Error(`listed ${listed.length} services of ${services}`);
  const isChanged = () => cache.services().some(({ name, nodes: { length } }) => name === 'service-0' && length > nodes);
  const seen = new Promise<number>((resolve) => cache.onChange(() => isChanged() && resolve(performance.now())));
  const changed = performance.now();
  process.send?.('change');
  const changeMs = (await seen) - changed;
  console.log(JSON.stringify({ lookupNs, listMs, changeMs }));
  process.send?.('done');
}

/**
 * Nanoseconds a look-up, of names that the caller holds, as a client does, in an order that nobody can foresee but which is the same in
 * every run. The order is made beforehand: a remainder of a large number takes longer than a look-up, and so would hide what the number of
 * services costs. What walking the order alone takes stays in, some 2 ns on both sides.
 */
function lookUp(cache: RegistryCache): number {
  const names = Array.from({ length: services }, (_, index) => `service-${index}`);
  let state = 1;
  const order = Array.from({ length: 16_384 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return names[Math.floor((state / 2 ** 32) * services)] as string;
  });
  const ask = (times: number) => {
    let found = 0;
    for (let index = 0; index < times; index++) found += (cache.targets(order[index % 16_384] as string, 'micro') as readonly unknown[]).length;
    if (found !== times * nodes) throw new Error(`found ${found} of ${times * nodes} nodes`);
  };
  ask(1_000_000);
  // The fastest of several: whatever else the machine does only adds to it.
  const batches = Array.from({ length: 40 }, () => {
    const began = performance.now();
    ask(200_000);
    return (performance.now() - began) * 5;
  });
  return Math.min(...batches);
}

function service(index: number): Service {
  const name = `service-${index}`;
  const endpoint = { kind: 'unary', idempotency: 'unknown', request: `${name}.Request`, response: `${name}.Response`, metadata: {} } as const;
  return {
    name,
    version: '1.0.0',
    metadata: {},
    endpoints: [{ ...endpoint, name: `Service${index}.Call`, path: `/${name}.Service${index}/Call` }],
    nodes: Array.from({ length: nodes }, (_, number) => node(index, String(number))),
  };
}

function node(index: number, number: string) {
  return { id: `service-${index}-${number}`, address: `127.0.0.1:${10_000 + index}`, metadata: { protocol: 'connect,grpc' } };
}
