import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../failure.js';

/** Makes the data directory, for its owner only. */
export function makeHome(home: string): void {
  try {
    if (existsSync(home)) {
      if ((statSync(home).mode & 0o077) !== 0) chmodSync(home, 0o700);
    } else makeFolder(home);
  } catch (error) {
    throw new Failure(
      `cannot use the data directory ${home}: ${(error as Error).message}; set MICRO_HOME to one that can be written`,
      { cause: error },
    );
  }
}

/** With the folders that it lies in. Node's own way never returns where the system says that a folder is not there, and it is (/proc). */
function makeFolder(folder: string): void {
  const parent = dirname(folder);
  if (!existsSync(parent)) makeFolder(parent);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Content of a file; undefined if there is none. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a file in one step, so that a reader sees the old or the new one; mode 0600; on disk when this returns. */
export function writeAtomically(file: string, content: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const handle = openSync(temporary, 'w', 0o600);
  try {
    writeSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, file);
}

/**
 * Runs `change` while no other process does so for the same file. The lock is a file beside it that names its holder; one whose holder
 * died is taken over. Failure after `patience` milliseconds of waiting for a holder that lives.
 */
export async function underLock<T>(file: string, change: () => T | Promise<T>, patience = 5_000): Promise<T> {
  const lock = `${file}.lock`;
  makeHome(dirname(file));
  const deadline = Date.now() + patience;
  while (!tryLock(lock)) {
    if (removeStale(lock)) continue;
    if (Date.now() > deadline) {
      throw new Failure(
        `${file} is locked by process ${readIfThere(lock)?.trim() || 'unknown'}; if that is not a micro command, delete ${lock}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
  }
  try {
    return await change();
  } finally {
    unlinkSync(lock);
  }
}

/** Whether a process of this number runs, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function tryLock(lock: string): boolean {
  try {
    const handle = openSync(lock, 'wx', 0o600);
    writeSync(handle, `${process.pid}\n`);
    closeSync(handle);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** A lock without a number is being written; it counts as stale only once its writer must be dead. */
const unwrittenAge = 2_000;

/**
 * Removes a lock whose holder is dead. Only one process at a time looks and removes (a directory is the guard), so that none removes the
 * lock that another has just taken over.
 */
function removeStale(lock: string): boolean {
  if (!isStale(lock)) return false;
  const guard = `${lock}.stale`;
  try {
    mkdirSync(guard);
  } catch {
    if (ageOf(guard) > unwrittenAge) removeQuietly(guard);
    return false;
  }
  try {
    if (!isStale(lock)) return false;
    unlinkSync(lock);
    return true;
  } finally {
    removeQuietly(guard);
  }
}

function isStale(lock: string): boolean {
  const holder = Number(readIfThere(lock)?.trim() || Number.NaN);
  return Number.isInteger(holder) ? !isAlive(holder) : ageOf(lock) > unwrittenAge;
}

function ageOf(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function removeQuietly(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Another process was faster.
  }
}
