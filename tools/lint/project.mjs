/**
 * `nx lint <project>`: ESLint over one project, always through nx, so that the boundary rule sees a fresh project graph; and Prettier, which says what
 * `npx prettier --write <files>` puts right.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const workspaceRoot = fileURLToPath(new URL('../..', import.meta.url));
const folder = process.argv[2];
const checks = [
  ['eslint/bin/eslint.js', '--max-warnings=0', '--no-warn-ignored', folder],
  ['prettier/bin/prettier.cjs', '--check', '--log-level=warn', folder],
];
const failed = checks.filter(([program, ...args]) => {
  const argv = [join(workspaceRoot, 'node_modules', program), ...args];
  return spawnSync(process.execPath, argv, { cwd: workspaceRoot, stdio: 'inherit' }).status !== 0;
});
process.exit(failed.length > 0 ? 1 : 0);
