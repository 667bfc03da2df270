/** Files that are being written, and are nobody's once their process has ended. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from './directory-folder.js';

/** Milliseconds between two looks for what the dead have left. */
const lookEvery = 10 * 60_000;
/** Milliseconds after which the draft of a process on another machine, or in another container, is nobody's: nothing else tells. */
const abandonedAfter = 24 * 3_600_000;

export class Drafts {
  readonly #folder: string;
  #looked = Number.NEGATIVE_INFINITY;
  #owner: Promise<string> | undefined;

  constructor(folder: string) {
    this.#folder = join(folder, '.writing');
  }

  /** The name of a file that is not there yet. */
  async next(): Promise<string> {
    await makeFolder(this.#folder);
    if (performance.now() - this.#looked > lookEvery) await this.removeAbandoned();
    const owner = await (this.#owner ??= ownName());
    return join(this.#folder, `${owner}-${randomBytes(8).toString('hex')}`);
  }

  async removeAbandoned(): Promise<void> {
    this.#looked = performance.now();
    const files = await readdir(this.#folder).catch(() => []);
    const [here] = (await (this.#owner ??= ownName())).split('-') as [string];
    for (const file of files) {
      const path = join(this.#folder, file);
      if (await isAbandoned(file, path, here)) await rm(path, { force: true }).catch(() => undefined);
    }
  }
}

async function isAbandoned(file: string, path: string, here: string): Promise<boolean> {
  const [machine, pid, begun] = file.split('-');
  if (machine === here) {
    if (!isAlive(Number(pid))) return true;
    const now = await beginOf(Number(pid));
    return now !== undefined && now !== begun;
  }
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
  return Date.now() - mtimeMs > abandonedAfter;
}

/** Machine and space of process numbers, process number, and when the process began: two processes never share all three. */
async function ownName(): Promise<string> {
  const space = await readlink('/proc/self/ns/pid').catch(() => '');
  const machine = createHash('sha256').update(`${hostname()}/${space}`).digest('hex').slice(0, 12);
  return `${machine}-${process.pid}-${(await beginOf(process.pid)) ?? '0'}`;
}

/** On Linux, in ticks since the machine began (proc_pid_stat(5), field 22); elsewhere undefined. */
async function beginOf(pid: number): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return line?.slice(line.lastIndexOf(')') + 2).split(' ')[19];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
