import { compileProgram, type Program, startProgram, temporaryFolder, until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  file = await compileProgram(new URL('lifecycle.program.ts', import.meta.url), folder.path);
});
afterAll(() => folder[Symbol.asyncDispose]());

async function started(how: string): Promise<Program> {
  const program = startProgram(file, {}, [how]);
  await program.ready();
  return program;
}

describe('a process that owns itself', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('stops in good order on %s', async (signal) => {
    await using program = await started('clean');
    program.child.kill(signal);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.output()).toContain('stopped in good order');
  });

  it('stops in good order when its parent is gone', async () => {
    await using program = await started('clean');
    program.child.disconnect();
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.output()).toContain('the parent process is gone');
  });

  it('stops when its parent was gone before it had begun', async () => {
    await using program = startProgram(file, {}, ['late']);
    program.child.disconnect();
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.output()).toContain('the parent process is gone');
  });

  it('ends at once on the second signal of a kind, and not on one of another kind', async () => {
    await using program = await started('slow');
    program.child.kill('SIGINT');
    await until('it is stopping', () => program.output().includes('stopping: SIGINT'));
    program.child.kill('SIGTERM');
    program.child.kill('SIGINT');
    const { code } = await program.exited;
    expect(code).toBe(130);
  });

  it('fails when it cannot stop', async () => {
    await using program = await started('failing');
    program.child.kill('SIGTERM');
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output()).toContain('cannot stop');
  });

  it('logs once what nobody caught, with its stack', async () => {
    await using program = startProgram(file, {}, ['throwing']);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    const lines = program.output().trim().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      level: 'error',
      message: 'stopped by an error that nothing caught: a bug',
    });
    expect(lines[0]).toContain('lifecycle.program');
  });

  it('says in one line what the user can mend, with the code of the system and no stack', async () => {
    await using program = startProgram(file, {}, ['rejecting']);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    const line = JSON.parse(program.output()) as Record<string, unknown>;
    expect(line).toMatchObject({ level: 'error', message: 'port 1 is in use', code: 'EADDRINUSE' });
    expect(line).not.toHaveProperty('error');
  });
});
