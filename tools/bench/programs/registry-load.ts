/**
 * Fills a registry from one process and follows it from another: `registry-load.js mdns services nodes port folder`, or `… etcd|etcd3 services
 * nodes address` on an etcd that runs there, `etcd3` by hand with that client. Prints one line of JSON, nanoseconds and milliseconds: a
 * look-up in memory, and one that asks the server, where that is possible; a list; a node registered, and deregistered, until the other
 * process sees it; a node, and a service of one node, until registering it is acknowledged.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Service } from '@micro/registry';
import { until } from '@micro/testing';
import { median } from '../rounds.mjs';
import { inMemory, overTheWire } from './registry-lookups.js';
import { BareEtcd, MicroRegistry, type Side } from './registry-sides.js';

interface Asked {
  readonly what: 'register' | 'deregister';
  readonly service: Service;
}

/** On the monotonic clock that all processes of a machine share. */
interface Answered {
  readonly began: number;
  readonly acknowledged: number;
}

const [adapter, ...rest] = process.argv.slice(2) as ['mdns' | 'etcd' | 'etcd3', ...string[]];
const [services, nodes] = rest.slice(0, 2).map(Number) as [number, number];
const place = rest.slice(2) as [string, string];
/** Changes of each kind, and how many of them are for warming up. */
const [changes, warming] = [110, 10] as const;
const isFollower = process.send !== undefined;

const side = await open();
if (isFollower) await follow();
else {
  for (let index = 0; index < services; index++) await side.register(service(index));
  const result = await serve();
  const newServiceMs = await registerNew();
  await side.close();
  console.log(JSON.stringify({ ...result, newServiceMs }));
}
process.exit(0);

async function open(): Promise<Side> {
  // What another run has left is not in the way of this one.
  const prefix = `/bench-${isFollower ? process.ppid : process.pid}/`;
  if (adapter === 'etcd') return MicroRegistry.open({ adapter, addresses: [place[0]], prefix });
  if (adapter === 'etcd3') return new BareEtcd(place[0], prefix);
  const [port, folder] = place;
  return MicroRegistry.open({ adapter, port: Number(port), fallbackFile: `${folder}/registry-${port}.json` });
}

/** Does what the follower asks for, until it has its result. */
function serve(): Promise<Record<string, number>> {
  const follower = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    follower.on('message', (message: Asked | Record<string, number>) => {
      if (!('service' in message)) return resolve(message as Record<string, number>);
      const { what, service } = message as Asked;
      const began = now();
      side[what](service).then(() => follower.send({ began, acknowledged: now() } satisfies Answered), reject);
    });
    follower.once('exit', (code) => reject(new Error(`the follower ended with ${code}`)));
  });
}

async function follow(): Promise<void> {
  // Nothing that a registry has open keeps a process alive.
  process.channel?.ref();
  process.once('disconnect', () => process.exit(1));
  let changed = () => undefined as void;
  await side.follow(() => changed());
  const names = Array.from({ length: services }, (_, index) => `service-${index}`);
  await until('all are there', () => names.every((name) => side.targets(name).length === nodes), 60_000);
  // Announcements of the beginning are over before anything is timed.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const lookupNs = inMemory(names, nodes, (name) => side.targets(name));
  const read = side.read?.bind(side);
  const readMs = read && (await overTheWire(names, nodes, read));
  const began = now();
  const listed = await side.list();
  const listMs = now() - began;
  if (listed !== services) throw new Error(`listed ${listed} services of ${services}`);
  const took: Record<string, number[]> = { seenMs: [], goneMs: [], acknowledgedMs: [] };
  for (let count = 0; count < changes; count++) {
    const added = { ...service(0), nodes: [node(0, `new-${count}`)] };
    const isThere = () => side.targets(added.name).some(({ id }) => id === added.nodes[0]?.id);
    const registered = await change({ what: 'register', service: added }, isThere);
    const deregistered = await change({ what: 'deregister', service: added }, () => !isThere());
    if (count < warming) continue;
    took['seenMs']?.push(registered.seen - registered.began);
    took['acknowledgedMs']?.push(registered.acknowledged - registered.began);
    took['goneMs']?.push(deregistered.seen - deregistered.began);
  }
  const medians = Object.fromEntries(Object.entries(took).map(([what, all]) => [what, median(all)]));
  await new Promise((resolve) => process.send?.({ lookupNs, ...(readMs && { readMs }), listMs, ...medians }, resolve));

  /** Has the other process make a change, and waits until it can be seen here. */
  async function change(asked: Asked, isSeen: () => boolean): Promise<Answered & { readonly seen: number }> {
    const answer = new Promise<Answered>((resolve) =>
      process.once('message', (message) => resolve(message as Answered)),
    );
    const seen = new Promise<number>((resolve) => (changed = () => isSeen() && resolve(now())));
    process.send?.(asked);
    return { seen: await seen, ...(await answer) };
  }
}

/** Milliseconds until a service of one node that was not there before is acknowledged. */
async function registerNew(): Promise<number> {
  const took: number[] = [];
  for (let count = 0; count < changes; count++) {
    const added = service(services + count);
    const began = now();
    await side.register({ ...added, nodes: added.nodes.slice(0, 1) });
    took.push(now() - began);
  }
  return median(took.slice(warming));
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function service(index: number): Service {
  const name = `service-${index}`;
  const endpoint = {
    kind: 'unary',
    idempotency: 'unknown',
    request: `${name}.Request`,
    response: `${name}.Response`,
    metadata: {},
  } as const;
  return {
    name,
    version: '1.0.0',
    metadata: {},
    endpoints: [{ ...endpoint, name: `Service${index}.Call`, path: `/${name}.Service${index}/Call` }],
    nodes: Array.from({ length: nodes }, (_, number) => node(index, String(number))),
  };
}

function node(index: number, number: string) {
  return {
    id: `service-${index}-${number}`,
    address: `127.0.0.1:${10_000 + index}`,
    metadata: { protocol: 'connect,grpc' },
  };
}
