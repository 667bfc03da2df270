/**
 * `npm test`: installs what is missing, then lint with module boundaries, type check, build, unit and contract tests, and last, alone, because
 * they time a whole platform on the same processors, the end-to-end tests. The closing line counts every test, and each failed step as one.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { install, nx, workspaceRoot } from './install.mjs';

const endToEnd = 'platform-e2e';

await install();
for (const file of reportFiles()) rmSync(file, { force: true });
const everything = ['run-many', '--outputStyle=static', ...process.argv.slice(2)];
const steps = [
  ['lint', 'typecheck', 'build'].map((target) => `--targets=${target}`),
  ['--targets=test', `--exclude=${endToEnd}`, '--parallel=1'],
  ['--targets=test', `--projects=${endToEnd}`],
].map((args) => nx(...everything, ...args));

const totals = { passed: 0, failed: 0, skipped: 0 };
for (const file of reportFiles()) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests;
  totals.skipped += report.numPendingTests;
}
const brokenSteps = steps.filter((status) => status !== 0).length;
if (totals.failed === 0) totals.failed = brokenSteps;
console.log(`\n${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`);
process.exit(brokenSteps > 0 || totals.failed > 0 || totals.passed === 0 ? 1 : 0);

function reportFiles() {
  const inside = (folder) =>
    readdirSync(`${workspaceRoot}${folder}`, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
      .map(({ name }) => `${folder}/${name}`);
  // A project may be a folder of an example that consists of several.
  const projects = ['apps', 'libs', 'examples', 'tools'].flatMap((folder) => [folder, ...inside(folder).flatMap((one) => [one, ...inside(one)])]);
  return projects.map((project) => `${workspaceRoot}${project}/.test-results/vitest.json`).filter((file) => existsSync(file));
}
