import { compileProgram, freePort, type Program, startProgram, temporaryFolder, until } from '@micro/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { client, close } from './index.js';
import { rolling } from './rolling.schema.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;
const programs: Program[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  process.env['MICRO_HOME'] = folder.path;
  process.env['MICRO_MDNS_PORT'] = String(await freePort());
  file = await compileProgram(new URL('rolling.program.ts', import.meta.url), folder.path);
});
afterAll(async () => {
  await close();
  await Promise.all(programs.map((program) => program.stop()));
  await folder[Symbol.asyncDispose]();
});

async function started(): Promise<Program> {
  const { MICRO_HOME, MICRO_MDNS_PORT } = process.env;
  const program = startProgram(file, { MICRO_HOME, MICRO_MDNS_PORT });
  programs.push(program);
  await program.ready();
  return program;
}

it('replaces both instances of a service, one after the other, without a failed call', async () => {
  const { work } = client(rolling);
  let instances = [await started(), await started()];
  const failures: unknown[] = [];
  const answered = new Map<number, number>();
  let calls = 0;
  let loaded = true;
  const caller = async () => {
    while (loaded) {
      try {
        const { pid } = await work({ id: calls++ });
        answered.set(pid, (answered.get(pid) ?? 0) + 1);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await until('the service is found', () => work({}));
  const callers = Array.from({ length: 16 }, caller);
  const busy = (program: Program) => until(`${program.pid} answers`, () => (answered.get(program.pid) ?? 0) > 50);
  await Promise.all(instances.map(busy));

  for (const old of [...instances]) {
    const replacement = await started();
    await busy(replacement);
    old.child.kill('SIGTERM');
    expect(await old.exited).toEqual({ code: 0, signal: null });
    instances = [...instances.filter((one) => one !== old), replacement];
  }
  await Promise.all(instances.map((program) => (answered.delete(program.pid), busy(program))));
  loaded = false;
  await Promise.all(callers);
  expect(failures).toEqual([]);
  expect(calls).toBeGreaterThan(200);
});
