/** P9: messages to one subscriber in another process over the local broker, beside node:http posting the same bytes. */
import { freePorts } from '../processes.mjs';
import { program } from '../program.mjs';
import { rounds } from '../rounds.mjs';

export async function broker({ count, seconds, progress }) {
  const load = await program('broker-load');
  const measure = async (side) => load.run([side, ...(await freePorts(1)), load.folder, seconds]);
  const { micro, bare } = await rounds({ micro: 'micro', bare: 'bare' }, { count, progress, measure });
  load.end();
  return Object.keys(micro).map((inFlight) => ({
    id: 'P9',
    what: `messages of 100 B to one subscriber, ${inFlight.replace('at', '')} in flight, http broker`,
    ours: `${Math.round(micro[inFlight])}/s`,
    peer: `node:http: ${Math.round(bare[inFlight])}/s`,
    ratio: `${(micro[inFlight] / bare[inFlight]).toFixed(2)}×`,
    bar: '≥ 0.6×',
    met: micro[inFlight] / bare[inFlight] >= 0.6,
  }));
}
