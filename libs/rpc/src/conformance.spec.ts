import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compileProgram, haveTool, temporaryFolder, toolPath } from '@micro/testing';
import { describe, expect, it } from 'vitest';

const runner = { name: 'connectconformance', go: 'connectrpc.com/conformance/cmd/connectconformance@v1.0.7' };
const folder = new URL('../conformance/', import.meta.url);

describe.runIf(haveTool(runner))("Connect's own conformance cases, of all that we claim, pass", () => {
  // Fewer cases would mean that the claims were cut down.
  it.each([
    { mode: 'server', lane: 'grpc-js', cases: 886, flags: ['-p', '4'] },
    { mode: 'server', lane: 'http2', cases: 886, flags: ['-p', '4'] },
    { mode: 'client', lane: '', cases: 591, flags: [] },
  ])('as $mode $lane', { timeout: 240_000 }, async ({ mode, lane, cases, flags }) => {
    await using home = await temporaryFolder();
    const program = await compileProgram(new URL(`${mode}.ts`, folder), home.path);
    const options = [
      '--mode',
      mode,
      '--conf',
      fileURLToPath(new URL(`${mode}.yaml`, folder)),
      '--max-servers',
      '2',
      ...flags,
    ];
    const { status, output } = await run([
      ...options,
      '--',
      process.execPath,
      program,
      fileURLToPath(new URL('proto', folder)),
      lane,
    ]);
    expect(output.slice(-8000)).toMatch(/\n(\d+) passed, 0 failed/);
    expect(status).toBe(0);
    expect(Number(/Total cases: (\d+)/.exec(output)?.[1])).toBeGreaterThanOrEqual(cases);
  });
});

function run(args: readonly string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      runner.name,
      args,
      { env: { ...process.env, PATH: toolPath() }, maxBuffer: 1e8 },
      (error, stdout, stderr) => {
        resolve({ status: error ? Number(error.code ?? 1) : 0, output: `${stdout}${stderr}` });
      },
    );
  });
}
