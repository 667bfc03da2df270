/** `nx test <project>`: Vitest over one project, its results left in .test-results/ for the closing count of `npm test`. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const workspaceRoot = fileURLToPath(new URL('../..', import.meta.url));
const [projectRoot, ...args] = process.argv.slice(2);
const results = join(workspaceRoot, projectRoot, '.test-results/vitest.json');
// nx asks its commands for colours, and whatever a test starts would colour what it prints.
const { FORCE_COLOR: _, ...env } = process.env;
const { status } = spawnSync(
  process.execPath,
  [
    join(workspaceRoot, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--root',
    join(workspaceRoot, projectRoot),
    '--config',
    join(workspaceRoot, 'vitest.config.ts'),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
    ...args,
  ],
  { cwd: workspaceRoot, stdio: 'inherit', env },
);
process.exit(status ?? 1);
