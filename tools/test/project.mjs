/**
 * `nx test <project>`: Vitest over one project, its results left in .test-results/ for the closing count of `npm test`. With `--pass=NAME` another
 * pass over it, as its vitest.NAME.ts has it.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const workspaceRoot = fileURLToPath(new URL('../..', import.meta.url));
const [projectRoot, ...given] = process.argv.slice(2);
const [pass] = given.flatMap((arg) => /^--pass=(.+)$/.exec(arg)?.[1] ?? []);
const args = given.filter((arg) => !arg.startsWith('--pass='));
const project = join(workspaceRoot, projectRoot);
const config = pass ? join(project, `vitest.${pass}.ts`) : join(workspaceRoot, 'vitest.config.ts');
const results = join(project, `.test-results/${pass ?? 'vitest'}.json`);
// nx asks its commands for colours, and whatever a test starts would colour what it prints.
const { FORCE_COLOR: _, ...env } = process.env;
const { status } = spawnSync(
  process.execPath,
  [
    join(workspaceRoot, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--root',
    project,
    '--config',
    config,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
    ...args,
  ],
  { cwd: workspaceRoot, stdio: 'inherit', env },
);
process.exit(status ?? 1);
