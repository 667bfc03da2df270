import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { compileProgram, startProgram, temporaryFolder, until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobCapabilities } from '../capabilities.js';
import type { Blobs } from './blobs.js';
import { blobsContract } from './blobs.contract.js';
import { openBlobs } from './open.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => void (folder = await temporaryFolder()));
afterAll(() => folder[Symbol.asyncDispose]());

const open = () => openBlobs({ adapter: 'directory', folder: folder.path });
blobsContract('directory', { capabilities: blobCapabilities.directory, open });

describe('a folder of blobs', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const filesIn = async (path: string) =>
    (await readdir(path, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
  const opened = async () => {
    const own = await temporaryFolder();
    const blobs = await openBlobs({ adapter: 'directory', folder: own.path });
    return {
      path: own.path,
      blobs,
      [Symbol.asyncDispose]: async () => {
        await blobs.close();
        await own[Symbol.asyncDispose]();
      },
    };
  };
  const readAll = async (blobs: Blobs, key: string) => {
    for await (const _ of (await blobs.read(key)).content);
  };

  it('has one file a blob, for its owner alone, and nothing left of what was given up', async () => {
    await using own = await opened();
    await own.blobs.write('../a', [bytes('content')]);
    async function* broken() {
      yield randomBytes(300_000);
      throw new Error('broken off');
    }
    await expect(own.blobs.write('b', broken())).rejects.toThrow('broken off');
    const files = await filesIn(own.path);
    expect(files).toEqual([join(own.path, '@micro', '@micro', '@..%2fa.blob')]);
    expect((await stat(files[0] as string)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(files[0] as string))).mode & 0o777).toBe(0o700);
    await own.blobs.delete('../a');
    expect(await filesIn(own.path)).toEqual([]);
  });

  it.each([10, 1_000_000])('says so when a bit of %d bytes has changed, wherever', async (size) => {
    await using own = await opened();
    await own.blobs.write('a', [randomBytes(size)], { metadata: { of: 'mine' } });
    const [file] = (await filesIn(own.path)) as [string];
    const whole = await readFile(file);
    for (const at of [
      0,
      Math.floor(size / 2),
      size - 1,
      size + 5,
      whole.length - 12,
      whole.length - 6,
      whole.length - 1,
    ]) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ 1;
      await writeFile(file, flipped);
      await expect(readAll(own.blobs, 'a')).rejects.toMatchObject({
        code: 'data_loss',
        detail: expect.stringContaining(file),
      });
    }
    for (const length of [0, 5, size, whole.length - 1]) {
      await writeFile(file, whole.subarray(0, length));
      await expect(own.blobs.info('a')).rejects.toMatchObject({
        code: 'data_loss',
        detail: expect.stringContaining(file),
      });
      await expect(own.blobs.list()).rejects.toMatchObject({ code: 'data_loss' });
    }
    await writeFile(file, whole);
    await readAll(own.blobs, 'a');
    await own.blobs.delete('a');
    expect((await own.blobs.list()).blobs).toEqual([]);
  });

  it('keeps no file open for who has read, left early, or never began', { timeout: 30_000 }, async () => {
    await using own = await opened();
    await own.blobs.write('a', [randomBytes(1_000_000)]);
    const before = (await readdir('/proc/self/fd')).length;
    for (let round = 0; round < 30; round++) {
      await readAll(own.blobs, 'a');
      for await (const _ of (await own.blobs.read('a')).content) break;
      await (await own.blobs.read('a')).content[Symbol.asyncIterator]().return?.();
      await expect(own.blobs.read('a', { offset: 2_000_000 })).rejects.toMatchObject({ code: 'out_of_range' });
      await own.blobs.read('a');
    }
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await expect
      .poll(
        async () => {
          collect();
          return (await readdir('/proc/self/fd')).length;
        },
        { timeout: 15_000, interval: 50 },
      )
      .toBeLessThanOrEqual(before + 2);
  });

  it(
    'is cleared of what a process left that was killed while it wrote, and of nothing else',
    { timeout: 60_000 },
    async () => {
      await using own = await opened();
      const program = await compileProgram(new URL('directory.program.ts', import.meta.url), own.path);
      await own.blobs.write('a', [bytes('before')]);
      const writer = startProgram(program, {}, [own.path]);
      const drafts = () => readdir(join(own.path, '.writing'));
      await until('it writes', async () => writer.output().includes('writing') && (await drafts()).length > 0, 30_000);
      let go: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (go = resolve));
      async function* slow() {
        yield bytes('mine');
        await gate;
      }
      const writing = own.blobs.write('b', slow());
      await until('both write', async () => (await drafts()).length === 2, 10_000);
      await (await openBlobs({ adapter: 'directory', folder: own.path })).close();
      expect(await drafts()).toHaveLength(2);
      writer.child.kill('SIGKILL');
      await writer.exited;
      await (await openBlobs({ adapter: 'directory', folder: own.path })).close();
      expect(await drafts()).toHaveLength(1);
      go();
      await writing;
      expect((await own.blobs.list()).blobs.map(({ key, size }) => [key, size])).toEqual([
        ['a', 6],
        ['b', 4],
      ]);
      expect(await drafts()).toEqual([]);
    },
  );

  it('that cannot be made is refused, and said', async () => {
    await using own = await temporaryFolder();
    await writeFile(join(own.path, 'file'), '');
    const folder = join(own.path, 'file', 'blobs');
    await expect(openBlobs({ adapter: 'directory', folder })).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining(folder),
    });
  });

  const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;
  /** What the program says of a disk of its own. */
  const onDisk = async (options: string, how: string) => {
    await using own = await temporaryFolder();
    const program = await compileProgram(new URL('directory.program.ts', import.meta.url), own.path);
    const script = `mount -t tmpfs -o ${options} tmpfs "${own.path}/disk" && exec "${process.execPath}" "${program}" "${own.path}/disk" ${how}`;
    await mkdir(join(own.path, 'disk'));
    const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script], { encoding: 'utf8' });
    return stdout.trim().split('\n').concat(stderr.trim()).filter(Boolean);
  };

  it.skipIf(!canMount)('on a full disk refuses a write and leaves nothing behind', { timeout: 60_000 }, async () => {
    const said = await onDisk('size=2m', 'fill');
    expect(said).toEqual(['resource_exhausted', 'drafts 0', 'small: before', 'and written again']);
  });

  it.skipIf(!canMount)('on a disk that cannot be written is refused', { timeout: 60_000 }, async () => {
    expect(await onDisk('ro', 'open')).toEqual(['permission_denied']);
  });
});
