/** Load generators, which must not be the bottleneck: wrk for HTTP/1.1 and h2load for gRPC, both from Debian. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'micro-bench-'));

export function requireLoadGenerators() {
  for (const [program, debianPackage] of [
    ['wrk', 'wrk'],
    ['h2load', 'nghttp2-client'],
  ]) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status === 0) continue;
    if (process.getuid?.() === 0) {
      spawnSync('apt-get', ['update', '-qq'], { stdio: 'inherit' });
      spawnSync('apt-get', ['install', '-y', '-qq', debianPackage], { stdio: 'inherit' });
    }
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) {
      throw new Error(`the bench needs ${program}: install ${debianPackage} with your package manager`);
    }
  }
}

/** JSON posts over 32 keep-alive connections: requests a second and the 99th percentile in milliseconds. */
export async function wrk(url, body, { seconds, connections = 32 }) {
  const script = join(folder, 'post.lua');
  writeFileSync(
    script,
    `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\nwrk.headers["content-type"] = "application/json"\n`,
  );
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script, url]);
  const failures = /Non-2xx or 3xx responses: (\d+)/.exec(stdout);
  if (failures) throw new Error(`${url}: ${failures[1]} answers were not 2xx`);
  const [, number, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout);
  return {
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]),
    p99: Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit],
  };
}

/** Unary gRPC calls, 4 connections with 8 streams each: calls a second. */
export async function h2load(address, path, message, { seconds }) {
  const body = join(folder, 'message.bin');
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  writeFileSync(body, Buffer.concat([prefix, message]));
  const { stdout } = await run('h2load', [
    '-c4',
    '-m8',
    '-t1',
    `-D${seconds}`,
    '--warm-up-time=1',
    '-d',
    body,
    '-H',
    'content-type: application/grpc',
    '-H',
    'te: trailers',
    `http://${address}${path}`,
  ]);
  const failed = Number(/(\d+) failed/.exec(stdout)?.[1] ?? 0) + Number(/ (\d+) 5xx/.exec(stdout)?.[1] ?? 0);
  if (failed > 0) throw new Error(`${address}${path}: ${failed} calls failed\n${stdout}`);
  return { rate: Number(/finished in [^,]+, ([\d.]+) req\/s/.exec(stdout)[1]) };
}
