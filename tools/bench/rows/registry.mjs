/** P11: a registry that is full, beside one with a single node: look-up, list, and how long a change takes to reach a watcher. */
import { freePorts } from '../processes.mjs';
import { program } from '../program.mjs';
import { rounds } from '../rounds.mjs';

export async function registry({ count, progress }) {
  const load = await program('registry-load');
  const sides = { full: [1000, 10], single: [1, 1] };
  const measure = async ([services, nodes]) => load.run([services, nodes, ...(await freePorts(1)), load.folder]);
  const { full, single } = await rounds(sides, { count, progress, measure });
  load.end();
  const ratio = full.lookupNs / single.lookupNs;
  return [
    {
      id: 'P11',
      what: 'registry look-up through the cache, 1,000 services × 10 nodes',
      ours: `${full.lookupNs.toFixed(0)} ns`,
      peer: `1 service × 1 node: ${single.lookupNs.toFixed(0)} ns`,
      ratio: `${ratio.toFixed(2)}×`,
      bar: '≤ 2×',
      met: ratio <= 2,
    },
    {
      id: 'P11',
      what: 'a change reaching a watcher in another process, mDNS',
      ours: `${full.changeMs.toFixed(1)} ms (whole list: ${full.listMs.toFixed(2)} ms)`,
      peer: `1 service × 1 node: ${single.changeMs.toFixed(1)} ms`,
      ratio: '–',
      bar: '< 100 ms',
      met: full.changeMs < 100,
    },
  ];
}
