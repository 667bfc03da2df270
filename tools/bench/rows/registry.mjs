/** P11: a registry that is full, beside one with a single node: look-up, list, and how long a change takes to reach a watcher. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { libraryBundle, workspaceRoot } from '../../build/bundle.mjs';
import { freePorts } from '../processes.mjs';
import { rounds } from '../rounds.mjs';

export async function registry({ count, progress }) {
  const folder = mkdtempSync(join(tmpdir(), 'micro-bench-registry-'));
  await build({ ...libraryBundle('tools/bench', [join(workspaceRoot, 'tools/bench/programs/registry-load.ts')], join(workspaceRoot, 'tools/bench/dist')), splitting: false });
  const program = join(workspaceRoot, 'tools/bench/dist/registry-load.js');
  const sides = { full: [1000, 10], single: [1, 1] };
  const measure = async ([services, nodes]) => {
    const [port] = await freePorts(1);
    return JSON.parse(execFileSync(process.execPath, [program, services, nodes, port, folder].map(String), { encoding: 'utf8', timeout: 60_000 }).trim().split('\n').at(-1));
  };
  const { full, single } = await rounds(sides, { count, progress, measure });
  rmSync(folder, { recursive: true });
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
