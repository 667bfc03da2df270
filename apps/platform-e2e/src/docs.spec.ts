import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, startPlatform, type TestPlatform, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
  await writeFile(join(platform.home, 'report.txt'), 'line 1\n');
});
afterAll(() => platform.stop());

/** The programs of the pages are run by tools/docs; here are the commands, each of which must do what the page says on a platform that runs. */
it.each(['store', 'blobs', 'locks', 'broker', 'events'])(
  'the commands of docs/%s.md succeed',
  { timeout: 60_000 },
  async (page) => {
    const text = await readFile(join(workspaceRoot, `docs/${page}.md`), 'utf8');
    const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block);
    const commands = blocks
      .join('')
      .split('\n')
      .filter((line) => line.startsWith('micro '));
    expect(commands.length).toBeGreaterThan(1);
    const micro = `"${process.execPath}" "${join(workspaceRoot, 'apps/cli/bin/micro.mjs')}"`;
    for (const command of commands) {
      const goesOn = /^micro (subscribe|store watch|events (follow|consume)) /.test(command);
      const line = command.replace(/^micro/, goesOn ? `timeout -s INT 1 ${micro}` : micro);
      const { code, stderr } = await run('sh', ['-c', line], { env: platform.env, cwd: platform.home });
      expect(stderr, command).not.toMatch(/^error/m);
      // 124: it went on until it was stopped.
      expect(code, command).toBe(goesOn ? 124 : 0);
    }
  },
);
