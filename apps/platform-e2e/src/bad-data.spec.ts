import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, startPlatform, type TestPlatform, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsOf } from './commands.js';

let platform: TestPlatform;
const { at, done, refused } = commandsOf(() => platform);

beforeAll(async () => {
  platform = await startPlatform();
  await writeFile(at('64MB'), Buffer.alloc(64 * 1024 * 1024, 'x'));
  await writeFile(at('small'), 'small');
});
afterAll(() => platform.stop());

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
