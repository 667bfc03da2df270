/**
 * `nx run soak:run --minutes=10`: mixed load on a whole local platform, from a service of a user's and through both doors, while memory and
 * descriptors of every process are watched. The last quarter of the time is compared with the second: memory may differ by 5 %, descriptors must
 * not grow, nothing may fail. Linux only: read from /proc.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { post, startHelloworld, startPlatform } from '../bench/platform.mjs';
import { pssMegabytes, start, stopAll, tree } from '../bench/processes.mjs';

const options = Object.fromEntries(process.argv.slice(2).map((arg) => arg.replace(/^--/, '').split('=')));
const minutes = Number(options.minutes ?? 10);
const rate = Number(options.rate ?? 20);
/** Of the memory in the second quarter. */
const growth = 0.05;
/** Descriptors of a process beside those of the second quarter: connections come and go. */
const spare = 8;

const platform = await startPlatform();
const helloworld = await startHelloworld(platform);
const worker = start(new URL('worker.mjs', import.meta.url).pathname, [rate], {
  ...platform.settings,
  MICRO_PROFILE: 'service',
  // It gives back events on purpose.
  MICRO_LOG_LEVEL: 'error',
});
const names = new Map([[helloworld.pid, 'helloworld'], [worker.pid, 'soak worker'], [platform.pid, 'micro server']]);
for (const pid of tree(platform.pid)) {
  if (pid !== platform.pid) names.set(pid, readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1).join(' ').trim().split('/').slice(-4).join('/'));
}

let asked = 0;
const refused = [];
let running = true;
const door = async (what, ask) => {
  while (running) {
    const next = sleep(1_000 / rate);
    try {
      const answer = await ask();
      const body = await answer.text();
      if (!answer.ok) throw new Error(`${answer.status} ${body}`);
      asked++;
    } catch (error) {
      refused.push(`${what}: ${error?.cause?.message ?? error.message}`);
    }
    await next;
  }
};
const doors = [
  door('gateway', () => post(`http://${platform.address.api}/helloworld/call`)),
  door('proxy', () => post(`http://${platform.address.proxy}/helloworld.Helloworld/Call`)),
];

const samples = [];
const begin = Date.now();
const every = Math.max(1_000, (minutes * 60_000) / 240);
let shown = 0;
while (Date.now() - begin < minutes * 60_000) {
  await sleep(every);
  const sample = new Map();
  for (const pid of names.keys()) {
    try {
      sample.set(pid, { pss: pssMegabytes([pid]), descriptors: readdirSync(`/proc/${pid}/fd`).length });
    } catch {
      refused.push(`${names.get(pid)} has ended`);
    }
  }
  samples.push(sample);
  if (Date.now() - shown > 60_000) {
    shown = Date.now();
    const total = [...sample.values()].reduce((sum, { pss }) => sum + pss, 0);
    console.log(`${Math.round((shown - begin) / 60_000)} of ${minutes} min: ${Math.round(total)} MB in ${sample.size} processes`);
  }
}
running = false;
await Promise.all(doors);
const lines = worker.output().trim().split('\n');
const { done, failures: ofService } = JSON.parse(lines.findLast((line) => line.startsWith('{"done"')) ?? '{"failures":{"nothing was told":1}}');
const failures = [...new Set(refused), ...Object.entries(ofService).map(([failure, times]) => `${failure} (${times} times)`)];
await stopAll(platform, helloworld, worker);

const quarter = (index) => samples.slice(Math.floor((samples.length * index) / 4), Math.floor((samples.length * (index + 1)) / 4));
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
const of = (part, pid, what) => median(part.map((sample) => sample.get(pid)?.[what] ?? 0));
const second = quarter(1);
const last = quarter(3);
const rows = [...names].map(([pid, process]) => ({
  process,
  'MB, second quarter': Math.round(of(second, pid, 'pss')),
  'MB, last quarter': Math.round(of(last, pid, 'pss')),
  'descriptors, second': of(second, pid, 'descriptors'),
  'descriptors, last': of(last, pid, 'descriptors'),
}));
console.table(rows);
const whole = (part) => median(part.map((sample) => [...sample.values()].reduce((sum, { pss }) => sum + pss, 0)));
const ratio = whole(last) / whole(second);
const grown = rows.filter((row) => row['descriptors, last'] > row['descriptors, second'] + spare);
console.log(`${asked} calls through the doors; of the service: ${JSON.stringify(done)}`);
console.log(`memory of all: ${whole(second).toFixed(1)} MB in the second quarter, ${whole(last).toFixed(1)} MB in the last: ${((ratio - 1) * 100).toFixed(1)} %`);
for (const failure of failures) console.error(`failed: ${failure}`);
for (const { process } of grown) console.error(`${process} has more descriptors than in the second quarter`);
if (ratio > 1 + growth) console.error(`memory has grown by more than ${growth * 100} %`);
process.exit(failures.length > 0 || grown.length > 0 || ratio > 1 + growth ? 1 : 0);
