/** Installs the workspace's packages when they are missing or package-lock.json is newer than what was installed. Uses nothing but Node. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const workspaceRoot = fileURLToPath(new URL('..', import.meta.url));

/** Where better-sqlite3 is compiled when there is no ready build of it for this Node: a minute or two, of which npm says nothing. */
const compiled = `${workspaceRoot}node_modules/better-sqlite3/build/`;
const silence = 10_000;

export async function install() {
  refuseOldNode();
  const lock = `${workspaceRoot}package-lock.json`;
  const installed = `${workspaceRoot}node_modules/.package-lock.json`;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log('Installing packages …');
  // Not `npm ci`: it refuses a lock file that was made where the builds of another system for esbuild, SWC and others could not be had.
  const status = await npm('install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error');
  if (status === 0) return;
  if (!existsSync(`${compiled}Release/better_sqlite3.node`)) {
    console.error(
      'If this was about better-sqlite3: it is compiled here, which takes python3, make and a C++ compiler (Debian: apt-get install python3 make g++).',
    );
  }
  process.exit(status);
}

/** npm with our terminal, saying now and then what it is at. Resolves to its exit code. */
function npm(...args) {
  const began = Date.now();
  const windows = process.platform === 'win32';
  const child = spawn('npm', args, { cwd: workspaceRoot, stdio: 'inherit', shell: windows });
  const timer = setInterval(() => {
    const compiling = existsSync(compiled) && !existsSync(`${compiled}Release/better_sqlite3.node`);
    console.log(
      `… ${compiling ? 'compiling SQLite for this machine' : 'still installing'}, ${Math.round((Date.now() - began) / 1000)} s so far`,
    );
  }, silence);
  return new Promise((resolve) => {
    const end = (status) => {
      clearInterval(timer);
      resolve(status ?? 1);
    };
    child.once('exit', end);
    child.once('error', (error) => {
      console.error(`npm cannot be run: ${error.message}`);
      end(1);
    });
  });
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
  console.error(
    `Micro needs Node 20.19, 22.12 or 24 and later; this is ${process.version}. Install one from https://nodejs.org and try again.`,
  );
  process.exit(1);
}
