import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '@micro/testing';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { changeEnvironments, Environments, environmentsFile, readEnvironments } from './environments.js';
import { underLock } from './locked-file.js';

describe('environments', () => {
  it('has three that stay, and local is the current one', () => {
    const environments = new Environments();
    expect(environments.list()).toEqual([
      { name: 'local', address: '127.0.0.1:8081', builtIn: true, current: true },
      { name: 'staging', address: 'proxy.m3o.dev:443', builtIn: true, current: false },
      { name: 'platform', address: 'proxy.m3o.com:443', builtIn: true, current: false },
    ]);
    expect(() => environments.remove('local')).toThrow(/built in/);
    expect(() => environments.add('staging', 'x:1')).toThrow(/built in/);
  });

  it('refuses an unknown one with the list, and names that are none', () => {
    const environments = new Environments().add('lab', 'lab:1');
    expect(() => environments.addressOf('labb')).toThrow(
      /environment "labb" is unknown; did you mean lab\? \(there are local, staging, platform, lab;/,
    );
    expect(() => environments.select('nope')).toThrow(/unknown/);
    expect(() => environments.remove('nope')).toThrow(/unknown/);
    for (const name of ['__proto__', '', 'a b', '../x', 'x'.repeat(64)])
      expect(() => environments.add(name, 'x:1')).toThrow(/no name/);
    expect(() => environments.addressOf('constructor')).toThrow(/unknown/);
  });

  it('goes back to local when the current one is deleted', () => {
    expect(new Environments().add('lab', 'lab:1').select('lab').remove('lab').current).toBe('local');
  });

  it('is kept in a file that only its owner reads', async () => {
    await using folder = await temporaryFolder();
    const home = join(folder.path, 'home');
    await changeEnvironments(home, (now) => now.add('lab', 'lab:1').select('lab'));
    expect(readEnvironments(home).current).toBe('lab');
    expect(statSync(environmentsFile(home)).mode & 0o777).toBe(0o600);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(readdirSync(home)).toEqual(['environments.json']);
  });

  it('says what to do about a file that is not valid', async () => {
    await using folder = await temporaryFolder();
    writeFileSync(environmentsFile(folder.path), '{"current":');
    expect(() => readEnvironments(folder.path)).toThrow(/environments\.json is not valid; correct it, or delete it/);
  });

  it('keeps what concurrent processes change', async () => {
    await using folder = await temporaryFolder();
    const script = join(folder.path, 'add.mjs');
    await build({
      stdin: {
        contents: `import { changeEnvironments } from './environments.ts';
          const [, , home, prefix] = process.argv;
          for (let number = 0; number < 10; number++) await changeEnvironments(home, (now) => now.add(prefix + number, 'host:' + (number + 1)));`,
        resolveDir: import.meta.dirname,
      },
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      alias: { '@micro/errors': join(import.meta.dirname, '../../../../libs/errors/src/index.ts') },
    });
    const home = join(folder.path, 'home');
    const writers = ['a', 'b', 'c', 'd'];
    await Promise.all(writers.map((writer) => promisify(execFile)(process.execPath, [script, home, writer])));
    const { environments } = JSON.parse(readFileSync(environmentsFile(home), 'utf8')) as { environments: object };
    expect(Object.keys(environments).sort()).toEqual(
      writers.flatMap((writer) => Array.from({ length: 10 }, (_, number) => `${writer}${number}`)).sort(),
    );
    expect(readdirSync(home)).toEqual(['environments.json']);
  });
});

describe('a lock', () => {
  it('of a dead process is taken over', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'x.json');
    const dead = await new Promise<number>((resolve) => {
      const child = execFile(process.execPath, ['-e', '0'], () => resolve(child.pid!));
    });
    writeFileSync(`${file}.lock`, `${dead}\n`);
    expect(await underLock(file, () => 'done')).toBe('done');
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('of a living one is waited for, and named when that takes too long', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'x.json');
    writeFileSync(`${file}.lock`, `${process.pid}\n`);
    await expect(underLock(file, () => 'done', 50)).rejects.toThrow(
      new RegExp(`locked by process ${process.pid}; .* delete .*x\\.json\\.lock`),
    );
  });

  it('is released when the change fails', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'x.json');
    await expect(underLock(file, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await underLock(file, () => 'again')).toBe('again');
  });

  it('cannot be made where nothing can be written, and says so', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'file');
    writeFileSync(file, '');
    mkdirSync(join(folder.path, 'other'));
    await expect(underLock(join(file, 'home', 'x.json'), () => 'done')).rejects.toThrow(
      /cannot use the data directory .*set MICRO_HOME/,
    );
  });
});
