/**
 * `nx run soak:run --minutes=60`: mixed load on a whole local platform, from a service of a user's and through both doors, while memory and
 * descriptors of every process are watched. It begins with a minute at five times the rate, in which V8 gives its heaps the size that they keep.
 * Of the time after that, the last quarter is compared with the second: memory may be 5 % more, descriptors must not grow; nothing may
 * fail at any time. Memory is what a process has (PSS) just after it has collected its garbage: between two collections, minutes apart under a
 * light load, it says nothing. Linux only: read from /proc.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { post, startHelloworld, startPlatform } from '../bench/platform.mjs';
import { pssMegabytes, start, stopAll, tree } from '../bench/processes.mjs';

/** What memory may grow by, of that in the second quarter. */
export const growth = 0.05;
/** Descriptors of a process beside those of the second quarter: connections come and go. */
const spare = 8;
/** Milliseconds in which every process has collected its garbage. */
const collecting = 500;

/**
 * Resolves, when the time is over and all has stopped, to what was found: `failures` in words, `rows` a process, `ratio` of all memory in the last quarter
 * to that in the second, `grown` processes by descriptors. `rate`: rounds a second of the service, and calls a second at each door.
 */
export async function soak({ minutes, rate, progress }) {
  // Of all that is started from here.
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --require ${new URL('collect.cjs', import.meta.url).pathname}`;
  const platform = await startPlatform();
  const helloworld = await startHelloworld(platform);
  /** Of the rate, at first; for so many milliseconds. */
  const warm = { times: 5, ms: Math.min(60_000, minutes * 6_000) };
  const worker = start(new URL('worker.mjs', import.meta.url).pathname, [rate, warm.times, warm.ms], {
    ...platform.settings,
    MICRO_PROFILE: 'service',
    // It gives back events on purpose.
    MICRO_LOG_LEVEL: 'error',
  });
  const names = new Map([
    [helloworld.pid, 'helloworld'],
    [worker.pid, 'soak worker'],
    [platform.pid, 'micro server'],
  ]);
  for (const pid of tree(platform.pid)) {
    if (pid !== platform.pid)
      names.set(
        pid,
        readFileSync(`/proc/${pid}/cmdline`, 'utf8')
          .split('\0')
          .slice(1)
          .filter((word) => !word.startsWith('--'))
          .join(' ')
          .trim()
          .split('/')
          .slice(-4)
          .join('/'),
      );
  }

  let asked = 0;
  const refused = [];
  let running = true;
  let warming = true;
  const door = async (what, ask) => {
    while (running) {
      const next = sleep(1_000 / rate / (warming ? warm.times : 1));
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

  await sleep(warm.ms);
  warming = false;
  progress(`warmed up for ${warm.ms / 1_000} s`);
  const samples = [];
  const begin = Date.now();
  const every = Math.max(1_000, (minutes * 60_000) / 48);
  let shown = 0;
  while (Date.now() - begin < minutes * 60_000) {
    await sleep(every);
    for (const pid of names.keys()) collect(pid);
    await sleep(collecting);
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
      progress(
        `${Math.round((shown - begin) / 60_000)} of ${minutes} min: ${Math.round(total)} MB in ${sample.size} processes`,
      );
    }
  }
  running = false;
  await Promise.all(doors);
  const lines = worker.output().trim().split('\n');
  const { done, failures: ofService } = JSON.parse(
    lines.findLast((line) => line.startsWith('{"done"')) ?? '{"failures":{"nothing was told":1}}',
  );
  const failures = [
    ...new Set(refused),
    ...Object.entries(ofService).map(([failure, times]) => `${failure} (${times} times)`),
  ];
  await stopAll(platform, helloworld, worker);

  const quarter = (index) =>
    samples.slice(Math.floor((samples.length * index) / 4), Math.floor((samples.length * (index + 1)) / 4));
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
  const whole = (part) => median(part.map((sample) => [...sample.values()].reduce((sum, { pss }) => sum + pss, 0)));
  return {
    rows,
    done: { ...done, 'call at a door': asked },
    failures,
    grown: rows
      .filter((row) => row['descriptors, last'] > row['descriptors, second'] + spare)
      .map(({ process }) => process),
    memory: { second: whole(second), last: whole(last), ratio: whole(last) / whole(second) },
  };
}

/** Garbage: see collect.cjs. */
function collect(pid) {
  try {
    process.kill(pid, 'SIGUSR2');
  } catch {
    // It has ended: whoever measures it tells.
  }
}
