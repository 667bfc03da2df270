import { createServer } from 'node:net';
import { compileProgram, freePort, startProgram, temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await temporaryFolder();
  env = { MICRO_HOME: folder.path, MICRO_MDNS_PORT: String(await freePort()) };
  file = await compileProgram(new URL('process.program.ts', import.meta.url), folder.path);
});
afterAll(() => folder[Symbol.asyncDispose]());

const lines = (output: string) =>
  output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('a program', () => {
  it('that only calls ends by itself, and says who it is', async () => {
    await using service = startProgram(file, env, ['serve']);
    await service.ready();
    await using asking = startProgram(file, { ...env, MICRO_NAME: 'asker' }, ['ask']);
    // The channel to this test is a reason to live; a program in a terminal has none.
    asking.child.disconnect();
    expect(await asking.exited).toEqual({ code: 0, signal: null });
    expect(lines(asking.output()).at(-1)).toEqual({ id: 2, pid: 1 });

    await using closing = startProgram(file, env, ['askAndClose']);
    closing.child.disconnect();
    expect(await closing.exited).toEqual({ code: 0, signal: null });
    expect(lines(closing.output()).at(-1)).toEqual({ id: 2 });
  });

  it('whose port is taken says so in one line', async () => {
    const holder = createServer();
    const port = await new Promise<number>((resolve) =>
      holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port)),
    );
    await using program = startProgram(file, { ...env, MICRO_ADDRESS: `127.0.0.1:${port}` }, ['serve']);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    holder.close();
    expect(lines(program.output())).toMatchObject([
      { name: 'rolling', level: 'error', code: 'EADDRINUSE', message: expect.stringContaining(String(port)) },
    ]);
  });

  it('whose environment is not legal says so in one line', async () => {
    await using program = startProgram(file, { ...env, MICRO_PROFILE: 'cloud' }, ['serve']);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(lines(program.output())).toMatchObject([
      { level: 'error', message: expect.stringContaining('MICRO_PROFILE="cloud"') },
    ]);
  });

  it('is known by MICRO_NAME and MICRO_VERSION, and logs as it is told', async () => {
    await using service = startProgram(
      file,
      { ...env, MICRO_NAME: 'other', MICRO_VERSION: '2', MICRO_LOG_FORMAT: 'pretty' },
      ['serve'],
    );
    const address = await service.ready();
    expect(service.output()).toMatch(
      new RegExp(`^\\d\\d:\\d\\d:\\d\\d\\.\\d{3} info  other listening on ${address}\\n$`),
    );
  });
});
