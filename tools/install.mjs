/** Installs the workspace's packages when they are missing or package-lock.json is newer than what was installed. Uses nothing but Node. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const workspaceRoot = fileURLToPath(new URL('..', import.meta.url));

export function install() {
  refuseOldNode();
  const lock = `${workspaceRoot}package-lock.json`;
  const installed = `${workspaceRoot}node_modules/.package-lock.json`;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log('Installing packages …');
  // Not `npm ci`: it refuses a lock file that was made where the builds of another system for esbuild, SWC and others could not be had.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** Runs a command with our terminal; ends this process with its exit code if it fails. */
export function run(command, args, env = {}) {
  const status = attempt(command, args, env);
  if (status !== 0) process.exit(status);
}

/** Runs a command with our terminal and returns its exit code. */
export function attempt(command, args, env = {}) {
  const windows = process.platform === 'win32';
  const { status } = spawnSync(command, args, {
    cwd: workspaceRoot,
    stdio: 'inherit',
    shell: windows,
    env: { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false', ...env },
  });
  return status ?? 1;
}

export function nx(...args) {
  return attempt(process.execPath, [`${workspaceRoot}node_modules/nx/dist/bin/nx.js`, ...args]);
}

function refuseOldNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24) return;
  console.error(`Micro needs Node 20.19, 22.12 or 24 and later; this is ${process.version}. Install one from https://nodejs.org and try again.`);
  process.exit(1);
}
