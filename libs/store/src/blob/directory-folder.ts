import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder where there is none, with those above it, so that a power cut leaves them there. Not by mkdir's own `recursive`, which takes a
 * disk that cannot be written for a folder that is not there, and /proc for one that it has not made yet.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await makeOne(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw error;
    await makeFolder(dirname(folder));
    await makeOne(folder);
  }
}

async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    // Of a folder that is there a root says EISDIR or EPERM where others say EEXIST, and a disk that cannot be written EROFS.
    if (await isFolder(folder)) return;
    throw error;
  }
  await syncFolder(dirname(folder));
}

/** Puts what was made, moved or removed in a folder on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders, and keeps names by itself.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
