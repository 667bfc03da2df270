import { spawnSync } from 'node:child_process';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { lockFile } from './file-lock.js';
import { changeState, readState } from './shared-file-state.js';

/** The number of a process that has ended. */
const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid;
const entry = (id: string, ttl = 60_000) => {
  const node = { id, address: '127.0.0.1:1', metadata: {} };
  return { namespace: 'micro', name: 'a', version: '1', node, hash: 'h', since: 1, ttl, expires: Date.now() + ttl };
};

describe('the lock of a file', () => {
  it('is held by one at a time, and leaves nothing behind', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'lock');
    let holders = 0;
    const hold = async () => {
      const lock = await lockFile(file, async () => undefined);
      expect(++holders).toBe(1);
      await readFile(file);
      holders--;
      await lock.release();
    };
    await Promise.all(Array.from({ length: 30 }, hold));
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('is released also while it is moved aside by who takes it for an abandoned one', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'lock');
    const lock = await lockFile(file, async () => undefined);
    await rename(file, `${file}.aside`);
    const released = lock.release();
    await rename(`${file}.aside`, file);
    await released;
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('is taken over from a process that died with it, by one of many', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'lock');
    const token = `${deadPid()}-dead`;
    await writeFile(file, token);
    const cleaned: string[] = [];
    const locks = Array.from({ length: 5 }, async () => {
      const lock = await lockFile(file, async (dead) => void cleaned.push(dead));
      await lock.release();
    });
    await Promise.all(locks);
    expect(cleaned).toEqual([token]);
  });
});

describe('the shared file', () => {
  it('loses no change of many at once', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'registry.json');
    const ids = Array.from({ length: 40 }, (_, index) => `n${index}`);
    await Promise.all(ids.map((id) => changeState(file, ({ entries }) => Boolean(entries.set(id, entry(id))))));
    expect((await readState(file)).entries.size).toBe(40);
    expect((await readState(file)).revision).toBe(40);
    expect(await readdir(folder.path)).toEqual(['registry.json']);
  });

  it('is read as far as it makes sense', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'registry.json');
    const lines = [
      'not json',
      '{"revision":7}',
      'null',
      '[]',
      '{"namespace":"micro"}',
      JSON.stringify(entry('a')),
      '{"hash":"h","content":1}',
      '\u0000',
    ];
    await writeFile(file, lines.join('\n'));
    const { revision, entries } = await readState(file);
    expect([revision, [...entries.values()].map(({ node }) => node.id)]).toEqual([7, ['a']]);
  });

  it('recovers from a writer that was killed: the change before it stays, its draft goes', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'registry.json');
    await changeState(file, ({ entries }) => Boolean(entries.set('a', entry('a'))));
    const token = `${deadPid()}-dead`;
    await writeFile(`${file}.lock`, token);
    await writeFile(`${file}.${token}.draft`, 'half a li');
    await changeState(file, ({ entries }) => Boolean(entries.set('b', entry('b'))));
    expect([...(await readState(file)).entries.values()].map(({ node }) => node.id)).toEqual(['a', 'b']);
    expect(await readdir(folder.path)).toEqual(['registry.json']);
  });
});
