import { spawnSync } from 'node:child_process';
import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PlatformService, run, startPlatform, type TestPlatform, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let platform: TestPlatform;
/** In the platform's home. */
const at = (...path: string[]) => join(platform.home, ...path);

beforeAll(async () => {
  platform = await startPlatform();
  await writeFile(at('64MB'), Buffer.alloc(64 * 1024 * 1024, 'x'));
  await writeFile(at('small'), 'small');
});
afterAll(() => platform.stop());

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await platform.micro(...args);
  expect({ args, code, stderr: stderr.match(/^error.*/m)?.[0] }).toEqual({ args, code: 0, stderr: undefined });
  return stdout;
}

/** The one line that says what is wrong. */
async function refused(...args: string[]): Promise<string> {
  const { code, stderr } = await platform.micro(...args);
  expect(code, args.join(' ').slice(0, 100)).not.toBe(0);
  const [line = '', ...more] = stderr.split('\n').filter((one) => one.startsWith('error: '));
  expect(more).toEqual([]);
  return line;
}

describe('keys', { timeout: 120_000 }, () => {
  // A NUL is in no command line; apps/store and the contract suites try it.
  const keys = [
    'aé–漢🦊\u{10ffff}',
    'a\nb\tc\rd',
    '\u001b[31m\u0001\u007f\u009b2J',
    '\u202ex\u2066',
    '%',
    '_',
    '*',
    '..',
    '../../x',
    ' ',
    '"\'\\',
    'a/',
  ];

  it.each(['store', 'blob'])('of every kind are what they are, of %s', async (command) => {
    const [write, read] = command === 'store' ? ['write', 'read'] : ['put', 'get'];
    for (const key of keys) await done(command, write, key, command === 'store' ? `of ${key}` : at('small'));
    const listed = JSON.parse(await done(command, 'list', '-o', 'json')) as readonly { readonly key: string }[];
    expect(listed.map(({ key }) => key).sort()).toEqual([...keys].sort());
    for (const key of keys.slice(0, 4))
      expect(await done(command, read, key, '-o', 'raw')).toBe(command === 'store' ? `of ${key}` : 'small');
    for (const key of ['%', '_', '*', '..', '\u001b']) {
      const found = JSON.parse(await done(command, 'list', '--prefix', key, '-o', 'json')) as readonly {
        readonly key: string;
      }[];
      expect(found.map((one) => one.key).sort()).toEqual(keys.filter((one) => one.startsWith(key)).sort());
    }
    // Nothing of them does anything to a terminal, and each has its line.
    const table = await done(command, 'list');
    expect(table).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u);
    expect(table.trimEnd().split('\n')).toHaveLength(keys.length + 1);
    expect(table).toContain(String.raw`\u001b[31m\u0001\u007f\u009b2J`);
    await done(command, 'delete', ...keys);
    expect(JSON.parse(await done(command, 'list', '-o', 'json'))).toEqual([]);
  });

  it('of 10,000 characters, and of none, are refused', async () => {
    const long = 'k'.repeat(10_000);
    for (const args of [
      ['store', 'write', long, 'v'],
      ['store', 'read', long],
      ['blob', 'put', long, at('small')],
      ['blob', 'get', long],
    ])
      expect(await refused(...args)).toMatch(
        /^error: the key "k{40,80}…" has 10000 bytes of UTF-8: \d+ are the most \(invalid_argument/,
      );
    expect(await refused('store', 'write', '', 'v')).toContain('the key is empty');
    expect(await refused('blob', 'put', '', at('small'))).toContain('the key is empty');
  });
});

describe('values', { timeout: 120_000 }, () => {
  it('may be empty, and come back empty', async () => {
    await done('store', 'write', 'empty', '');
    expect(await done('store', 'read', 'empty', '-o', 'raw')).toBe('');
    await writeFile(at('nothing'), '');
    await done('blob', 'put', 'empty', at('nothing'));
    expect(await done('blob', 'get', 'empty')).toBe('');
  });

  it('that nobody gave are not taken for empty ones', async () => {
    const micro = `"${process.execPath}" "${join(workspaceRoot, 'apps/cli/bin/micro.mjs')}"`;
    for (const command of ['store write given', 'blob put given', 'publish given', 'events publish given']) {
      const { code, stderr } = await run('sh', ['-c', `${micro} ${command} < /dev/null`], { env: platform.env });
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^error: (give|name) a /) });
    }
    const { code } = await run('sh', ['-c', `${micro} store write meant - < /dev/null`], { env: platform.env });
    expect(code).toBe(0);
  });

  it('of 64 MB are refused by their limit; as blobs they are taken', async () => {
    expect(await refused('store', 'write', 'large', `@${at('64MB')}`)).toBe(
      'error: the value of "large" has 67108864 bytes: 2097152 are the most; keep it as a blob (invalid_argument from store)',
    );
    const event = at('event.json');
    await writeFile(event, `"${'x'.repeat(64 * 1024 * 1024)}"`);
    for (const command of [['publish'], ['events', 'publish']])
      expect(await refused(...command, 'large', `@${event}`)).toMatch(/at most 1048576 bytes, this one has 67108866/);
    await done('blob', 'put', 'large', at('64MB'));
    expect(await done('blob', 'get', 'large', '--offset', '0', '--length', '3')).toBe('xxx');
    expect(await done('blob', 'get', 'large', '--offset', '67108862')).toBe('xx');
  });
});

describe('what the disk does', { timeout: 120_000 }, () => {
  const damaged = ['-n', 'damaged'];

  it('a damaged file is named with what to do, and is left as it is; others are not concerned', async () => {
    const files = ['store', 'events'].map((folder) => at(folder, 'damaged.db'));
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
