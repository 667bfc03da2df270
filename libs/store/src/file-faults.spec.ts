import { spawnSync } from 'node:child_process';
import { chmod, mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileProgram, temporaryFolder, until, workspaceRoot } from '@micro/testing';
import SQLite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileStore } from './file.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;
let opened: FileStore[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder.path, 'micro.db');
});
afterEach(async () => {
  await Promise.all(opened.map((store) => store.close()));
  opened = [];
  await folder[Symbol.asyncDispose]();
});

function files(path = folder.path): FileStore {
  const store = new FileStore(path);
  opened.push(store);
  return store;
}

const key = (n: number) => `key-${`${n}`.padStart(5, '0')}`;

/** A store that has been used, and is closed. */
async function used(count = 200): Promise<void> {
  const store = files();
  await Promise.all(
    Array.from({ length: count }, (_, n) => store.write({ key: key(n), value: Buffer.alloc(1_000, n) })),
  );
  await store.close();
}

/** What everybody who meets the file is told, whatever he wants of it. */
async function refusals(): Promise<unknown[]> {
  const attempts: ((store: FileStore) => Promise<unknown>)[] = [
    (store) => store.read(key(1)),
    (store) => store.list(),
    (store) => store.write({ key: 'new', value: new Uint8Array() }),
    (store) => store.transact([{ type: 'delete', key: key(1) }]),
    (store) => store.tables(),
    (store) => store.databases(),
    async (store) => store.watch()[Symbol.asyncIterator]().next(),
    async (store) => store.snapshot().next(),
    async (store) => store.restore(nothing()),
  ];
  return Promise.all(
    attempts.map(async (attempt) => {
      try {
        return await attempt(files());
      } catch (error) {
        return error;
      }
    }),
  );
}

async function* nothing() {}

const refusal = (code: string) => ({ code, detail: expect.stringContaining(file) });

describe('a file that is damaged', () => {
  it.each([
    ['cut short', () => truncate(file, 9_000)],
    ['cut short at the end of a page', () => truncate(file, 8_192)],
    ['cut short within the header', () => truncate(file, 60)],
    [
      'overwritten by text',
      () => writeFile(file, 'this is no database, and it is longer than the header of one. '.repeat(9)),
    ],
    [
      'overwritten where it begins',
      async () => {
        const handle = await open(file, 'r+');
        await handle.write(Buffer.alloc(4_000, 0xee), 0, 4_000, 100);
        await handle.close();
      },
    ],
  ])('%s: everybody is told, and nothing of it is changed', async (_, damage) => {
    await used();
    await damage();
    const damaged = await readFile(file);
    for (const error of await refusals()) expect(error).toMatchObject(refusal('data_loss'));
    expect(Buffer.compare(await readFile(file), damaged)).toBe(0);
    expect((await readdir(folder.path)).filter((name) => name.endsWith('.restore'))).toEqual([]);
  });

  it('in the middle is said to be when that is read; the rest can be read', async () => {
    await used(2_000);
    const handle = await open(file, 'r+');
    await handle.write(Buffer.alloc(40_000, 0xee), 0, 40_000, 1_000_000);
    await handle.close();
    const store = files();
    const found = await Promise.allSettled(Array.from({ length: 2_000 }, (_, n) => store.read(key(n))));
    const failed = found.filter((one) => one.status === 'rejected');
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.length).toBeLessThan(200);
    for (const { reason } of failed) expect(reason).toMatchObject(refusal('data_loss'));
  });

  it('is replaced by a snapshot once it is moved away', async () => {
    await used(20);
    const store = files();
    const kept = [];
    for await (const record of store.snapshot()) kept.push(record);
    await store.close();
    await truncate(file, 9_000);
    await rm(file);
    const again = files();
    expect(
      await again.restore(
        (async function* () {
          yield* kept;
        })(),
      ),
    ).toBe(20);
    expect((await again.read(key(7))).value).toEqual(new Uint8Array(1_000).fill(7));
  });
});

describe('a file of somebody else', () => {
  it('is refused, and nothing of it is changed', async () => {
    const db = new SQLite(file);
    db.exec('CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)');
    db.close();
    const theirs = await readFile(file);
    for (const error of await refusals())
      expect(error).toMatchObject({ code: 'failed_precondition', detail: expect.stringMatching(/another program/) });
    expect(Buffer.compare(await readFile(file), theirs)).toBe(0);
  });

  it('with the same number of its version is refused, too', async () => {
    const db = new SQLite(file);
    db.exec('CREATE TABLE theirs (a); PRAGMA user_version = 1');
    db.close();
    for (const error of await refusals()) expect(error).toMatchObject(refusal('failed_precondition'));
  });

  it('of a later Micro is refused, with both versions', async () => {
    await used(1);
    const db = new SQLite(file);
    db.pragma('user_version = 99');
    db.close();
    for (const error of await refusals())
      expect(error).toMatchObject({ code: 'failed_precondition', detail: expect.stringMatching(/later.*99.*1\)/) });
  });

  it('of the first Micro, which signed nothing, is taken', async () => {
    await used(3);
    const db = new SQLite(file);
    db.pragma('application_id = 0');
    db.close();
    expect((await files().list({ keysOnly: true })).records).toHaveLength(3);
  });
});

describe('a file that cannot be written', () => {
  it("is its owner's alone, and so is the folder", async () => {
    const path = join(folder.path, 'new', 'store');
    const store = files(path);
    await store.write({ key: 'a', value: new Uint8Array() });
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(path)) expect((await stat(join(path, name))).mode & 0o777, name).toBe(0o600);
  });

  it('because its folder is none is refused, and made when that is over', async () => {
    const path = join(folder.path, 'store');
    await writeFile(path, '');
    const store = files(path);
    const write = () => store.write({ key: 'a', value: new Uint8Array() });
    await expect(write()).rejects.toMatchObject({ code: 'permission_denied', detail: expect.stringContaining(path) });
    await rm(path);
    await write();
    expect((await store.list()).records).toHaveLength(1);
  });

  it('because another process keeps it locked is waited for, and given up on', { timeout: 30_000 }, async () => {
    const store = files();
    const write = (value: string) => store.write({ key: 'a', value: Buffer.from(value) });
    await write('1');
    const other = new SQLite(file);
    other.exec('BEGIN IMMEDIATE');
    let turns = 0;
    const turning = setInterval(() => turns++, 5);
    const waiting = write('2');
    await until('this process goes on', () => turns > 10);
    other.exec('COMMIT');
    await waiting;
    other.exec('BEGIN IMMEDIATE');
    turns = 0;
    await expect(write('3')).rejects.toMatchObject(refusal('unavailable'));
    expect(turns).toBeGreaterThan(100);
    clearInterval(turning);
    expect(Buffer.from((await store.read('a')).value).toString()).toBe('2');
    other.exec('COMMIT');
    other.close();
    await write('4');
    expect(Buffer.from((await store.read('a')).value).toString()).toBe('4');
  });

  const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;
  const onDisk = async (options: string, what: string) => {
    const program = await compileProgram(new URL('store.program.ts', import.meta.url), folder.path);
    const disk = join(folder.path, 'disk');
    await mkdir(disk);
    const script = `mount -t tmpfs -o ${options} tmpfs "${disk}" && exec "${process.execPath}" "${program}" ${what} '${JSON.stringify({ adapter: 'file', folder: disk })}'`;
    const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
      encoding: 'utf8',
      env: { ...process.env, NODE_PATH: join(workspaceRoot, 'node_modules') },
    });
    return stdout.trim().split('\n').concat(stderr.trim()).filter(Boolean);
  };

  it.skipIf(!canMount)(
    'because the disk is full is said to be; what was kept is kept, and it goes on when there is room',
    { timeout: 60_000 },
    async () => {
      expect(await onDisk('size=4m', 'fill')).toEqual(['resource_exhausted true', 'true', 'room again true', 'end']);
    },
  );

  it.skipIf(!canMount)('because the disk is read-only is refused', { timeout: 60_000 }, async () => {
    expect(await onDisk('ro', 'touch')).toEqual([expect.stringMatching(/^permission_denied .*micro\.db/)]);
  });

  // Root may write anywhere.
  if (process.getuid?.() !== 0) {
    it('because its folder may not be written is refused', async () => {
      await chmod(folder.path, 0o500);
      await expect(files().write({ key: 'a', value: new Uint8Array() })).rejects.toMatchObject({
        code: 'permission_denied',
      });
      await chmod(folder.path, 0o700);
    });
  }
});
