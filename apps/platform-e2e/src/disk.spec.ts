import { spawnSync } from 'node:child_process';
import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PlatformService, startPlatform, type TestPlatform } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsOf } from './commands.js';

let platform: TestPlatform;
const { at, done, refused } = commandsOf(() => platform);

beforeAll(async () => {
  platform = await startPlatform();
  await writeFile(at('small'), 'small');
});
afterAll(() => platform.stop());

describe('what the disk does', { timeout: 120_000 }, () => {
  const damaged = ['-n', 'damaged'];

  it('a damaged file is named with what to do, and is left as it is; others are not concerned', async () => {
    const files = ['store', 'events'].map((folder) => at(folder, 'damaged.db'));
    await done('store', 'write', 'a', 'b');
    await done('events', 'publish', 'placed', '{}');
    for (const file of files)
      await writeFile(file, 'this is no database, and longer than the header of one. '.repeat(9));
    const lines = [
      await refused('store', 'list', ...damaged),
      await refused('store', 'write', 'a', 'b', ...damaged),
      await refused('events', 'read', 'placed', ...damaged),
      await refused('events', 'publish', 'placed', '{}', ...damaged),
    ];
    for (const line of lines)
      expect(line).toMatch(/damaged\.db.*damaged.*left as it is.*move it away.*\(data_loss from/);
    for (const file of files) expect(await readFile(file, 'utf8')).toContain('this is no database');
    await done('store', 'write', 'a', 'b');
    await done('events', 'read', 'placed');
  });

  it('a damaged blob is named, and can be written again', async () => {
    await done('blob', 'put', 'd', at('small'), ...damaged);
    const folder = at('blobs', '@damaged', '@micro');
    const [name = ''] = await readdir(folder);
    const handle = await open(join(folder, name), 'r+');
    await handle.write('X', 0);
    await handle.close();
    expect(await refused('blob', 'get', 'd', ...damaged)).toMatch(
      /damaged.*write the blob again.*\(data_loss from store\)$/,
    );
    await done('blob', 'put', 'd', at('small'), ...damaged);
    expect(await done('blob', 'get', 'd', ...damaged)).toBe('small');
  });

  it('a file that cannot be written is named', async () => {
    const blocked = ['-n', 'blocked'];
    for (const folder of ['store', 'events']) await mkdir(at(folder, 'blocked.db'), { recursive: true });
    await mkdir(at('blobs'), { recursive: true });
    await writeFile(at('blobs', '@blocked'), '');
    for (const args of [
      ['store', 'write', 'a', 'b'],
      ['events', 'publish', 's', '{}'],
      ['blob', 'put', 'a', at('small')],
    ])
      expect(await refused(...args, ...blocked)).toMatch(
        /blocked.*cannot be (written|opened for writing|a folder).*from (store|broker)\)$/,
      );
  });

  const full = ['-n', 'full'];
  it.each<readonly [PlatformService, readonly string[], readonly string[]]>([
    ['store', ['store', 'write', 'big'], ['store', 'read', 'small']],
    ['store', ['blob', 'put', 'big'], ['blob', 'get', 'small']],
    ['broker', ['events', 'publish', 'big'], ['events', 'read', 'small']],
  ])('a full disk is said to be: %s, %s', async (service, write, read) => {
    const given = (text: string, bytes: number) => ['"', text.repeat(bytes), '"'].join('');
    await writeFile(at('one.json'), given('s', 10));
    await writeFile(at('more.json'), given('x', 900_000));
    const file = (name: string) => (write[0] === 'blob' ? at(name) : `@${at(name)}`);
    const small = write.with(-1, 'small');
    await done(...small, file('one.json'), ...full);
    // No file of this process may grow beyond that, as on a disk that has no more.
    const limit = (bytes: string) =>
      spawnSync('prlimit', [`--pid=${platform.pid(service)}`, `--fsize=${bytes}:`]).status;
    expect(limit('300000')).toBe(0);
    try {
      expect(await refused(...write, file('more.json'), ...full)).toMatch(
        /full.*\(resource_exhausted from (store|broker)\)$/,
      );
      expect(await done(...read, ...full)).toContain(given('s', 10));
    } finally {
      expect(limit('unlimited')).toBe(0);
    }
    await done(...write, file('more.json'), ...full);
    expect(await done(...read, ...full)).toContain(given('s', 10));
  });
});
