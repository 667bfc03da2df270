/** Programs under measurement that use the workspace's libraries as sources: bundled as the platform is, each run a process of its own. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { libraryBundle, workspaceRoot } from '../build/bundle.mjs';

/** `run(args)` resolves to what the program prints as its last line, parsed. `folder` is its own, removed by `end`. */
export async function program(name) {
  const folder = mkdtempSync(join(tmpdir(), `micro-bench-${name}-`));
  const dist = join(workspaceRoot, 'tools/bench/dist');
  await build({
    ...libraryBundle('tools/bench', [join(workspaceRoot, `tools/bench/programs/${name}.ts`)], dist),
    splitting: false,
  });
  return {
    folder,
    async run(args) {
      const { stdout } = await promisify(execFile)(process.execPath, [join(dist, `${name}.js`), ...args.map(String)], {
        timeout: 120_000,
      });
      return JSON.parse(stdout.trim().split('\n').at(-1));
    },
    end: () => rmSync(folder, { recursive: true, force: true }),
  };
}
