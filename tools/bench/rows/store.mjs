/** P8: the file store, through its contract, beside better-sqlite3 by hand with the same durability. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../program.mjs';
import { rounds } from '../rounds.mjs';

export async function store({ count, seconds, progress }) {
  const load = await program('store-load');
  const measure = (side) => load.run([side, mkdtempSync(join(load.folder, 'data-')), seconds]);
  const { micro, bare } = await rounds({ micro: 'micro', bare: 'bare' }, { count, progress, measure });
  load.end();
  return ['writes', 'reads'].map((what) => ({
    id: 'P8',
    what: `file store: 1 KB ${what} one by one`,
    ours: `${Math.round(micro[what])}/s`,
    peer: `better-sqlite3: ${Math.round(bare[what])}/s`,
    ratio: `${(micro[what] / bare[what]).toFixed(2)}×`,
    bar: '≥ 0.5×',
    met: micro[what] / bare[what] >= 0.5,
  }));
}
