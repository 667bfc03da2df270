/** P10: from `micro server` to all healthy, and the memory of all its processes, beside as many bare Nest gRPC processes. */
import { createConnection } from 'node:net';
import { platformHome, services, startPlatform } from '../platform.mjs';
import { freePorts, pssMegabytes, start, stopAll, tree, until } from '../processes.mjs';
import { rounds } from '../rounds.mjs';

export async function startUp({ count, progress }) {
  const home = platformHome();
  const sides = { micro: () => micro(home), 'bare Nest gRPC': bareNest };
  // The first start makes the code cache, two seconds after it began.
  const first = await startPlatform({ home });
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  await first.stop();
  const result = await rounds(sides, { count, progress, measure: (measure) => measure() });
  const ours = result.micro;
  const theirs = result['bare Nest gRPC'];
  const time = ours.ms / theirs.ms;
  const memory = ours.pss / theirs.pss;
  return [
    {
      id: 'P10',
      what: `start of ${services.length} services until healthy; memory (PSS)`,
      ours: `${(ours.ms / 1000).toFixed(2)} s, ${Math.round(ours.pss)} MB with the supervisor`,
      peer: `${services.length} bare Nest gRPC processes: ${(theirs.ms / 1000).toFixed(2)} s, ${Math.round(theirs.pss)} MB`,
      ratio: `${time.toFixed(2)}×, ${memory.toFixed(2)}×`,
      bar: '≤ 0.5×, ≤ 0.85×',
      met: time <= 0.5 && memory <= 0.85,
    },
  ];
}

async function micro(home) {
  const platform = await startPlatform({ home });
  await settle();
  const pss = pssMegabytes(tree(platform.pid));
  await platform.stop();
  return { ms: platform.startMs, pss };
}

async function bareNest() {
  const ports = await freePorts(services.length);
  const began = performance.now();
  const programs = ports.map((port) => start(new URL('../peers/nest-service.mjs', import.meta.url).pathname, [port]));
  await until('every bare process listens', async () => (await Promise.all(ports.map(listening))).every(Boolean));
  const ms = performance.now() - began;
  await settle();
  const pss = pssMegabytes(programs.map(({ pid }) => pid));
  await stopAll(...programs);
  return { ms, pss };
}

/** Garbage of the start is collected, or not, the same way on both sides. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 3_000));

function listening(port) {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
