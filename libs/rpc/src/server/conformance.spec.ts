import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compileProgram, haveTool, temporaryFolder, toolPath } from '@micro/testing';
import { describe, expect, it } from 'vitest';

const runner = { name: 'connectconformance', go: 'connectrpc.com/conformance/cmd/connectconformance@latest' };
const folder = new URL('../../conformance/', import.meta.url);

describe.runIf(haveTool(runner))("Connect's own conformance cases, of all that conformance/server.yaml claims", () => {
  it('pass', { timeout: 120_000 }, async () => {
    await using home = await temporaryFolder();
    const program = await compileProgram(new URL('server.ts', folder), home.path);
    const command = ['--mode', 'server', '--conf', fileURLToPath(new URL('server.yaml', folder)), '--max-servers', '2', '-p', '4', '--'];
    const { status, stdout, stderr } = spawnSync('connectconformance', [...command, process.execPath, program, fileURLToPath(new URL('proto', folder))], {
      encoding: 'utf8',
      env: { ...process.env, PATH: toolPath() },
    });
    const output = `${stdout}${stderr}`;
    expect(output.slice(-8000)).toMatch(/\n(\d+) passed, 0 failed/);
    expect(status).toBe(0);
    // Fewer would mean that the claims were cut down.
    expect(Number(/Total cases: (\d+)/.exec(output)?.[1])).toBeGreaterThanOrEqual(886);
  });
});
