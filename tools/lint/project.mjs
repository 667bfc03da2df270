/**
 * `nx lint <project>`, and `nx lint-all tools` for the whole workspace in half the time: ESLint over folders, always through nx, so that the boundary
 * rule sees a fresh project graph; and Prettier, which says what `npx prettier --write <files>` puts right.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const workspaceRoot = fileURLToPath(new URL('../..', import.meta.url));
const folders = process.argv.slice(2);
const checks = [
  ['eslint/bin/eslint.js', '--max-warnings=0', '--no-warn-ignored'],
  ['prettier/bin/prettier.cjs', '--check', '--log-level=warn'],
].map(async ([program, ...args]) => {
  const argv = [join(workspaceRoot, 'node_modules', program), ...args, ...folders];
  const [code] = await once(spawn(process.execPath, argv, { cwd: workspaceRoot, stdio: 'inherit' }), 'exit');
  return code === 0;
});
process.exit((await Promise.all(checks)).every(Boolean) ? 0 : 1);
