import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';

/** Milliseconds after which a lock is nobody's, even if a process of its number lives: what is done under it takes a few. */
const abandoned = 10_000;
const longestWait = 5_000;
const longestAside = 1_000;

export interface FileLock {
  /** Unique to this hold of the lock. */
  readonly token: string;
  /** Whether it is still ours: to be asked before what cannot be undone. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

/**
 * Holds `file` as a lock among the processes of this machine. One that died with it is found out by its process number, and its lock is
 * taken over; `cleanUp` is told its token. MicroError `unavailable` if the lock cannot be had within five seconds.
 */
export async function lockFile(file: string, cleanUp: (token: string) => Promise<void>): Promise<FileLock> {
  const token = `${process.pid}-${randomBytes(6).toString('hex')}`;
  const end = performance.now() + longestWait;
  while (!(await create(file, token))) {
    const holder = await abandonedBy(file);
    if (holder !== undefined) await takeAway(file, holder, cleanUp);
    else if (performance.now() > end)
      throw new MicroError('unavailable', `another process holds ${file}; if none does, delete it`, { id: 'registry' });
    else await sleep(2 + Math.random() * 10);
  }
  return { token, isHeld: async () => (await read(file)) === token, release: () => release(file, token) };
}

/** Somebody who takes it for an abandoned one may have moved it aside, and puts it back in a moment. */
async function release(file: string, token: string): Promise<void> {
  const end = performance.now() + longestAside;
  for (;;) {
    const holder = await read(file);
    if (holder === token) return rm(file, { force: true });
    if (holder !== undefined || performance.now() > end) return;
    await sleep(2);
  }
}

/** With its content at once: a lock without a token would be nobody's. */
async function create(file: string, token: string): Promise<boolean> {
  const draft = `${file}.${token}`;
  try {
    await writeFile(draft, token, { mode: 0o600 });
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** The token of a lock whose holder is gone. */
async function abandonedBy(file: string): Promise<string | undefined> {
  const token = await read(file);
  if (token === undefined) return undefined;
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }));
  return isAlive(Number.parseInt(token, 10)) && Date.now() - mtimeMs < abandoned ? undefined : token;
}

/** Moves the lock aside first: of several that find it abandoned only one gets it, and a lock that is no longer that one is put back. */
async function takeAway(file: string, holder: string, cleanUp: (token: string) => Promise<void>): Promise<void> {
  const aside = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  if ((await read(aside)) === holder) await cleanUp(holder);
  else await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

async function read(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
