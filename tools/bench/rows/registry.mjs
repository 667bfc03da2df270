/** P11: a registry that is full, beside one with a single node: look-up, list, and how long a change takes to reach a watcher. */
import { freePorts } from '../processes.mjs';
import { program } from '../program.mjs';
import { rounds } from '../rounds.mjs';

export async function registry({ count, progress }) {
  const load = await program('registry-load');
  const sides = {
    full: [1000, 10, 'mdns'],
    single: [1, 1, 'mdns'],
    fullOnEtcd: [1000, 10, 'etcd'],
    singleOnEtcd: [1, 1, 'etcd'],
  };
  const measure = async ([services, nodes, adapter]) =>
    load.run([services, nodes, adapter, ...(adapter === 'mdns' ? [...(await freePorts(1)), load.folder] : [])]);
  const { full, single, fullOnEtcd, singleOnEtcd } = await rounds(sides, { count, progress, measure });
  load.end();
  return [
    ...lines({ full, single, adapter: 'mDNS', most: 100 }),
    ...lines({ full: fullOnEtcd, single: singleOnEtcd, adapter: 'etcd', most: 250 }),
  ];
}

function lines({ full, single, adapter, most }) {
  const ratio = full.lookupNs / single.lookupNs;
  return [
    {
      id: 'P11',
      what: `registry look-up through the cache, 1,000 services × 10 nodes, ${adapter}`,
      ours: `${full.lookupNs.toFixed(0)} ns`,
      peer: `1 service × 1 node: ${single.lookupNs.toFixed(0)} ns`,
      ratio: `${ratio.toFixed(2)}×`,
      bar: '≤ 2×',
      met: ratio <= 2,
    },
    {
      id: 'P11',
      what: `a change reaching a watcher in another process, ${adapter}`,
      ours: `${full.changeMs.toFixed(1)} ms (whole list: ${full.listMs.toFixed(2)} ms)`,
      peer: `1 service × 1 node: ${single.changeMs.toFixed(1)} ms`,
      ratio: '–',
      bar: `< ${most} ms`,
      met: full.changeMs < most,
    },
  ];
}
