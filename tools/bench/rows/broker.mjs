/** P9: messages to one subscriber in another process, beside the bare client of the same transport carrying the same bytes. */
import { freePorts } from '../processes.mjs';
import { program } from '../program.mjs';
import { rounds } from '../rounds.mjs';
import { startNats } from '../servers.mjs';

export async function broker({ count, seconds, progress }) {
  const load = await program('broker-load');
  const nats = await startNats();
  try {
    const port = async (transport) => (transport === 'nats' ? nats.port : (await freePorts(1))[0]);
    const measure = async ([transport, side]) =>
      load.run([transport, side, await port(transport), load.folder, seconds]);
    const transports = { http: 'node:http', nats: '@nats-io, publish and flush' };
    const sides = Object.keys(transports).flatMap((transport) =>
      ['micro', 'bare'].map((side) => [`${side} ${transport}`, [transport, side]]),
    );
    const result = await rounds(Object.fromEntries(sides), { count, progress, measure });
    return Object.entries(transports).flatMap(([transport, bare]) => rowsOf(transport, bare, result));
  } finally {
    await nats.stop();
    load.end();
  }
}

function rowsOf(transport, bare, result) {
  const [micro, peer] = [result[`micro ${transport}`], result[`bare ${transport}`]];
  return Object.keys(micro).map((inFlight) => ({
    id: 'P9',
    what: `messages of 100 B to one subscriber, ${inFlight.replace('at', '')} in flight, ${transport} broker`,
    ours: `${Math.round(micro[inFlight])}/s`,
    peer: `${bare}: ${Math.round(peer[inFlight])}/s`,
    ratio: `${(micro[inFlight] / peer[inFlight]).toFixed(2)}×`,
    bar: '≥ 0.6×',
    met: micro[inFlight] / peer[inFlight] >= 0.6,
  }));
}
