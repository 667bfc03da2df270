import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { compileProgram, freePort, type Program, startProgram, temporaryFolder, until } from '@micro/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let main: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  main = await compileProgram(new URL('./main.ts', import.meta.url), folder.path);
});
afterAll(() => folder[Symbol.asyncDispose]());

const start = (port: number): Program =>
  startProgram(main, {
    MICRO_PROFILE: 'test',
    MICRO_API_WORKERS: '2',
    MICRO_ADDRESS: `127.0.0.1:${port}`,
    MICRO_HOME: folder.path,
  });

/** Processes whose parent is `pid`. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const [, parent] = /^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      return Number(parent) === pid ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

it.runIf(process.platform === 'linux')('share a port, are replaced when they die, and stop together', async () => {
  const port = await freePort();
  await using gateway = start(port);
  expect(await gateway.ready()).toBe(`127.0.0.1:${port}`);
  const status = async () => (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).status;
  const before = childrenOf(gateway.pid);
  expect(before).toHaveLength(2);
  expect(await Promise.all(Array.from({ length: 6 }, status))).toEqual(Array.from({ length: 6 }, () => 200));

  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics.match(/^# TYPE process_resident_memory_bytes gauge$/gm)).toHaveLength(1);
  expect(Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1])).toBeGreaterThan(80_000_000);

  process.kill(before[0] as number, 'SIGKILL');
  await until('a worker took its place', () => {
    const now = childrenOf(gateway.pid);
    return now.length === 2 && !now.includes(before[0] as number);
  });
  expect(await status()).toBe(200);

  const workers = childrenOf(gateway.pid);
  await gateway.stop();
  expect((await gateway.exited).code).toBe(0);
  for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

it('end at once, saying why, where the port is taken', async () => {
  const taken = createServer();
  const port = await new Promise<number>((resolve) =>
    taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)),
  );
  try {
    await using gateway = start(port);
    expect((await gateway.exited).code).toBe(1);
    expect(gateway.output()).toContain(`cannot listen on 127.0.0.1:${port}: the port is in use`);
  } finally {
    taken.close();
  }
});
