/**
 * P11: a registry that is full, beside one with a single node: look-up, list, and how long a change takes to reach a watcher. On etcd also
 * beside the bare client, with as many nodes on the same server.
 */
import { freePorts } from '../processes.mjs';
import { program } from '../program.mjs';
import { rounds } from '../rounds.mjs';
import { startEtcd } from '../servers.mjs';

export async function registry({ count, progress }) {
  const load = await program('registry-load');
  const etcd = await startEtcd();
  try {
    const place = async (adapter) =>
      adapter === 'mdns' ? [...(await freePorts(1)), load.folder] : [`127.0.0.1:${etcd.port}`];
    const measure = async ([adapter, services, nodes]) =>
      load.run([adapter, services, nodes, ...(await place(adapter))]);
    const sides = {
      full: ['mdns', 1000, 10],
      single: ['mdns', 1, 1],
      fullOnEtcd: ['etcd', 1000, 10],
      bareOnEtcd: ['etcd3', 1000, 10],
      singleOnEtcd: ['etcd', 1, 1],
    };
    const { full, single, fullOnEtcd, bareOnEtcd, singleOnEtcd } = await rounds(sides, { count, progress, measure });
    return [
      ...besideOne({ full, single, adapter: 'mDNS', most: 100 }),
      ...besideOne({ full: fullOnEtcd, single: singleOnEtcd, adapter: 'etcd', most: 250 }),
      ...besideBare(fullOnEtcd, bareOnEtcd),
    ];
  } finally {
    await etcd.stop();
    load.end();
  }
}

function besideOne({ full, single, adapter, most }) {
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
      ours: `${full.seenMs.toFixed(1)} ms (whole list: ${full.listMs.toFixed(2)} ms)`,
      peer: `1 service × 1 node: ${single.seenMs.toFixed(1)} ms`,
      ratio: '–',
      bar: `< ${most} ms`,
      met: full.seenMs < most,
    },
  ];
}

/** Figures without a bar: what ours costs beside what one would write by hand. */
function besideBare(micro, bare) {
  const ms = (number) => `${number.toFixed(2)} ms`;
  const ns = (number) => `${number.toFixed(0)} ns`;
  const all = ({ listMs }) => `(whole list: ${ms(listMs)})`;
  const row = (what, figure, { ours, peer }) => {
    const ratio = `${(micro[figure] / bare[figure]).toFixed(2)}×`;
    return {
      id: 'P11',
      what: `${what}, 1,000 services × 10 nodes, etcd`,
      ours,
      peer: `etcd3: ${peer}`,
      ratio,
      bar: '–',
    };
  };
  const change = (what, figure, how) =>
    row(what, figure, { ours: ms(micro[figure]), peer: `${how} ${ms(bare[figure])}` });
  return [
    row('registry look-up', 'lookupNs', {
      ours: `${ns(micro.lookupNs)} ${all(micro)}`,
      peer: `a Map kept by a watch ${ns(bare.lookupNs)}, asking etcd ${ms(bare.readMs)} ${all(bare)}`,
    }),
    change('a node registered, seen by another process', 'seenMs', 'put and watch'),
    change('a node deregistered, seen by another process', 'goneMs', 'delete and watch'),
    change('a node registered, acknowledged', 'acknowledgedMs', 'put, its lease being there,'),
    change('a new service of one node registered, acknowledged', 'newServiceMs', 'lease and put'),
  ];
}
