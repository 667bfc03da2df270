/**
 * `npx nx run bench:all`: every figure that Micro is held to, beside its peers, measured in one run and printed as a table. Rows by name:
 * `npx nx run bench:all -- gateway proxy`; `--rounds=5 --seconds=5` (these are the defaults); `--json` for machines.
 */
import { existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { requireLoadGenerators } from './load.mjs';
import { machine } from './machine.mjs';

const rows = {
  gateway: () => import('./rows/gateway.mjs').then(({ gateway }) => gateway),
  proxy: () => import('./rows/proxy.mjs').then(({ proxy }) => proxy),
  'service-to-service': () => import('./rows/service-to-service.mjs').then(({ serviceToService }) => serviceToService),
  'added-latency': () => import('./rows/added-latency.mjs').then(({ addedLatency }) => addedLatency),
  store: () => import('./rows/store.mjs').then(({ store }) => store),
  broker: () => import('./rows/broker.mjs').then(({ broker }) => broker),
  start: () => import('./rows/start.mjs').then(({ startUp }) => startUp),
  registry: () => import('./rows/registry.mjs').then(({ registry }) => registry),
  idle: () => import('./rows/idle.mjs').then(({ idle }) => idle),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    'idle-seconds': { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => !(name in rows));
if (unknown.length > 0) {
  console.error(`no row ${unknown.join(', ')}: there are ${Object.keys(rows).join(', ')}`);
  process.exit(2);
}

installPeers();
requireLoadGenerators();
const results = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(rows)) {
  const measure = await rows[name]();
  const progress = (text) => process.stderr.write(`${name}: ${text}\n`);
  results.push(
    ...(await measure({
      count: Number(values.rounds),
      seconds: Number(values.seconds),
      idleSeconds: Number(values['idle-seconds']),
      progress,
    })),
  );
}
print(results);

function print(results) {
  if (values.json)
    return console.log(JSON.stringify({ machine: machine(), rounds: Number(values.rounds), results }, null, 2));
  const table = new Table({ head: ['', 'what', 'Micro', 'peer', 'ratio', 'bar', ''], style: { head: [], border: [] } });
  for (const { id, what, ours, peer, ratio, bar, met } of results)
    table.push([id, what, ours, peer, ratio, bar, met === undefined ? '' : met ? 'met' : 'MISSED']);
  console.log(`\n${machine()}\nmedian of ${values.rounds} rounds of ${values.seconds} s, the sides in turn\n${table}`);
}

function installPeers() {
  const folder = new URL('.', import.meta.url).pathname;
  if (existsSync(`${folder}node_modules/moleculer`)) return;
  const { status } = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
