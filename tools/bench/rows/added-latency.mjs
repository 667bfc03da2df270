/** P6: what the gateway adds to a call at 1,000 requests a second, evenly spread over 16 connections, 1 KB each way. */
import { spawn } from 'node:child_process';
import { startHelloworld, startPlatform } from '../platform.mjs';
import { stopAll } from '../processes.mjs';
import { rounds } from '../rounds.mjs';

export async function addedLatency({ count, seconds, progress }) {
  const platform = await startPlatform();
  const service = await startHelloworld(platform);
  try {
    const sides = {
      direct: `http://${service.address}/helloworld.Helloworld/Call`,
      gateway: `http://${platform.address.api}/helloworld/call`,
    };
    const steady = (url, time) => generator([url, '1000', '16', String(time)]);
    for (const url of Object.values(sides)) await steady(url, 2);
    const { direct, gateway } = await rounds(sides, { count, progress, measure: (url) => steady(url, seconds) });
    const added = { p90: gateway.p90 - direct.p90, p99: gateway.p99 - direct.p99 };
    return [
      {
        id: 'P6',
        what: 'latency that the gateway adds, 1,000 req/s, 1 KB',
        ours: `gateway p90 ${gateway.p90.toFixed(2)}, p99 ${gateway.p99.toFixed(2)} ms`,
        peer: `direct p90 ${direct.p90.toFixed(2)}, p99 ${direct.p99.toFixed(2)} ms`,
        ratio: `+${added.p90.toFixed(2)}, +${added.p99.toFixed(2)} ms`,
        bar: 'p90 ≤ +0.5, p99 ≤ +1.5 ms',
        met: added.p90 <= 0.5 && added.p99 <= 1.5,
      },
    ];
  } finally {
    await stopAll(platform, service);
  }
}

function generator(args) {
  const program = new URL('../programs/steady-load.mjs', import.meta.url).pathname;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.on('exit', (code) =>
      code === 0 ? resolve(JSON.parse(output)) : reject(new Error(`the load generator ended with ${code}`)),
    );
  });
}
