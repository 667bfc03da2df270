/** `nx lint <project>`: ESLint over one project. Always through nx, so that the boundary rule sees a fresh project graph. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const workspaceRoot = fileURLToPath(new URL('../..', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [join(workspaceRoot, 'node_modules/eslint/bin/eslint.js'), '--max-warnings=0', '--no-warn-ignored', process.argv[2]],
  { cwd: workspaceRoot, stdio: 'inherit' },
);
process.exit(status ?? 1);
