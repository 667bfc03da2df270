/**
 * `npm test`: installs what is missing, then lint with module boundaries, type check, build, unit and contract tests, and last, alone, because
 * they time a whole platform on the same processors, the end-to-end tests: as on a laptop, and again as in staging. Beside all tests a platform is
 * under a little load all the time (tools/soak). The closing line counts every test, and each failed step as one.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { install, nx, workspaceRoot } from './install.mjs';

const endToEnd = 'platform-e2e';

await install();
for (const file of reportFiles()) rmSync(file, { force: true });
const everything = ['run-many', '--outputStyle=static', ...process.argv.slice(2)];
const run = (...args) => nx(...everything, ...args);
const isWhole = process.argv.length === 2;
// All is built by the first step. Building again would take what a platform under load runs from away beneath it.
const built = isWhole ? ['--excludeTaskDependencies'] : [];
// One program over everything takes a third of the time of one for each project, each of which would read what it depends on anew.
const checks = isWhole ? ['lint-all', 'typecheck-all', 'build'] : ['lint', 'typecheck', 'build'];
/** Exit codes by what was done. */
const steps = {};
steps['lint, type check and build'] = run(`--targets=${checks.join()}`);
const soaked = isWhole ? soak() : 0;
steps['unit and contract tests'] = run(
  '--targets=test',
  `--exclude=${endToEnd}${isWhole ? ',soak' : ''}`,
  '--parallel=2',
  ...built,
);
steps['end-to-end tests'] = run('--targets=test', `--projects=${endToEnd}`, ...built);
steps['end-to-end tests on the staging profile'] = run('--targets=test-staging', `--projects=${endToEnd}`, ...built);
if (isWhole) console.log('\nwaiting for the soak to end');
steps.soak = await soaked;

const totals = { passed: 0, failed: 0, skipped: 0 };
for (const file of reportFiles()) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  printFailures(report, basename(file, '.json'));
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests;
  totals.skipped += report.numPendingTests;
}
const broken = Object.keys(steps).filter((step) => steps[step] !== 0);
for (const step of broken) console.log(`\nfailed: ${step}; "Failed tasks" above names what of it`);
if (totals.failed === 0) totals.failed = broken.length;
console.log(
  `\n${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`,
);
process.exit(broken.length > 0 || totals.failed > 0 || totals.passed === 0 ? 1 : 0);

function reportFiles() {
  const inside = (folder) =>
    readdirSync(`${workspaceRoot}${folder}`, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
      .map(({ name }) => `${folder}/${name}`);
  // A project may be a folder of an example that consists of several.
  const projects = ['apps', 'docker', 'libs', 'examples', 'tools'].flatMap((folder) => [
    folder,
    ...inside(folder).flatMap((one) => [one, ...inside(one)]),
  ]);
  const folders = projects
    .map((project) => `${workspaceRoot}${project}/.test-results`)
    .filter((folder) => existsSync(folder));
  return folders.flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`));
}

/** Once more at the end what failed, where a reader of a long log looks first. */
function printFailures({ testResults }, pass) {
  for (const { name, message, assertionResults } of testResults) {
    const file = `${name.replace(workspaceRoot, '')}${pass === 'vitest' ? '' : ` (${pass})`}`;
    if (message) console.log(`\nfailed: ${file}\n${message}`);
    for (const { fullName, failureMessages } of assertionResults.filter(({ status }) => status === 'failed')) {
      console.log(`\nfailed: ${file} > ${fullName}\n${failureMessages.join('\n')}`);
    }
  }
}

/** Resolves to its exit code. What it says comes at its end, in one piece. */
function soak() {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`${workspaceRoot}tools/test/project.mjs`, 'tools/soak'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('close', (code) => {
      console.log(output);
      resolve(code ?? 1);
    });
  });
}
