import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseSchema } from '@micro/proto';
import { temporaryFolder, workspaceRoot } from '@micro/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { namesOf, scaffold } from './scaffold.js';

describe('a new service', () => {
  it.each([
    ['helloworld', { title: 'Helloworld', variable: 'helloworld', package: 'helloworld' }],
    ['foo-bar', { title: 'FooBar', variable: 'fooBar', package: 'foo_bar' }],
    ['a1-2b', { title: 'A12b', variable: 'a12b', package: 'a1_2b' }],
  ])('named %s is spelled as each place wants it', (name, expected) => {
    expect(namesOf(name)).toEqual({ service: name, ...expected });
  });

  it.each([
    '',
    'Foo',
    '1a',
    'a_b',
    'a--b',
    '-a',
    'a-',
    '..',
    'a/b',
    'x'.repeat(64),
    'class',
    'main',
    'serve',
    'call-request',
    '__proto__',
  ])('cannot be named %j', (name) => {
    expect(() => namesOf(name)).toThrow(/no name for a service|choose another name/);
  });

  it('has a schema that can be read, whatever its name', async () => {
    await using folder = await temporaryFolder();
    const word = fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/);
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 3 }), async (words) => {
        const name = words.join('-');
        fc.pre(!isRefused(name));
        const parent = join(folder.path, String(number++));
        const made = await scaffold(join(parent, name), '0.1.0');
        const proto = readFileSync(join(made.folder, 'proto', `${name}.proto`), 'utf8');
        const { title, package: packageName } = namesOf(name);
        const service = parseSchema({ 'x.proto': proto }).service(`${packageName}.${title}`);
        expect(service.methods.map((method) => method.localName)).toEqual(['call', 'stream', 'pingPong']);
      }),
      { numRuns: 25 },
    );
  });

  it('does not touch a folder that is there', async () => {
    await using folder = await temporaryFolder();
    mkdirSync(join(folder.path, 'foo'));
    await expect(scaffold(join(folder.path, 'foo'), '0.1.0')).rejects.toThrow(/is there already/);
    writeFileSync(join(folder.path, 'file'), '');
    await expect(scaffold(join(folder.path, 'file', 'foo'), '0.1.0')).rejects.toThrow(/cannot write/);
    expect(existsSync(join(folder.path, 'foo', 'package.json'))).toBe(false);
  });

  it('type-checks as it is', async () => {
    expect(
      existsSync(join(workspaceRoot, 'libs/service/dist/index.d.ts')),
      'built before: npx nx build @micro/service',
    ).toBe(true);
    await using folder = await temporaryFolder();
    const made = await scaffold(join(folder.path, 'foo-bar'), '0.1.0');
    symlinkSync(join(workspaceRoot, 'node_modules'), join(folder.path, 'node_modules'));
    const tsc = join(workspaceRoot, 'node_modules/typescript/bin/tsc');
    await promisify(execFile)(process.execPath, [tsc, '-p', made.folder], { cwd: made.folder }).catch(
      ({ stdout }: { stdout: string }) => expect(stdout).toBe(''),
    );
    expect(existsSync(join(made.folder, 'dist/src/main.js'))).toBe(true);
  }, 60_000);
});

function isRefused(name: string): boolean {
  try {
    namesOf(name);
    return false;
  } catch {
    return true;
  }
}
