import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileProgram, temporaryFolder } from '@micro/testing';
import { expect, it } from 'vitest';
import { findRunner, include } from './runner.js';

it(
  'passes every required and recommended case of protobuf’s conformance suite, in protobuf and JSON',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder();
    const { path: runner, reason } = findRunner(folder.path);
    if (!runner) {
      if (process.env['MICRO_TEST_NO_SKIP']) throw new Error(`protobuf's conformance runner does not start: ${reason}`);
      console.warn(`SKIPPED: protobuf's conformance runner does not start: ${reason}`);
      return;
    }
    const program = await compileProgram(new URL('testee.ts', import.meta.url), folder.path);
    const testee = join(folder.path, 'testee');
    writeFileSync(testee, `#!/bin/sh\nexec '${process.execPath}' '${program}' '${include}'\n`);
    chmodSync(testee, 0o700);
    // No --failure_list: nothing is expected to fail.
    const { status, stderr } = spawnSync(runner, ['--maximum_edition', '2023', '--enforce_recommended', testee], {
      encoding: 'utf8',
    });
    const [, successes, skipped] =
      /CONFORMANCE SUITE PASSED: (\d+) successes, (\d+) skipped, 0 expected failures, 0 unexpected failures/.exec(
        stderr,
      ) ?? [];
    expect(successes, stderr.slice(-4000)).toBeDefined();
    expect(status).toBe(0);
    expect(Number(skipped)).toBe(0);
    expect(Number(successes)).toBeGreaterThan(5000);
  },
);
