import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build } from './build.js';
import { installDependencies } from './dependencies.js';
import { generateFile } from './generate.js';
import { checkName, defaultName, readSource } from './source.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

function files(content: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(content)) {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true });
    writeFileSync(join(folder.path, path), text);
  }
  return folder.path;
}

/** Builds and runs; what it printed. */
async function run(content: Readonly<Record<string, string>>): Promise<string> {
  const { entry } = await build(readSource(files(content)));
  const { stdout, stderr } = spawnSync(process.execPath, ['--enable-source-maps', entry], { encoding: 'utf8' });
  return stdout + stderr;
}

const esm = JSON.stringify({ type: 'module' });

describe('a build', () => {
  it('keeps the metadata of decorators', async () => {
    const output = await run({
      'package.json': esm,
      'node_modules/reflect-metadata/package.json': JSON.stringify({ main: 'index.js' }),
      'node_modules/reflect-metadata/index.js':
        'const all = new Map(); Reflect.metadata = (k, v) => (t) => { all.set(k, v) }; Reflect.getMetadata = (k) => all.get(k);',
      'src/main.ts': `
        import 'reflect-metadata';
        import { Greeter } from './greeter';
        const Injectable = (): ClassDecorator => () => undefined;
        @Injectable()
        class Controller { constructor(private readonly greeter: Greeter) {} }
        console.log((Reflect as any).getMetadata('design:paramtypes', Controller).map((type: any) => type.name), Controller.name);`,
      'src/greeter.ts': `export class Greeter { greet(name: string): string { return 'Hello ' + name } }`,
    });
    expect(output).toBe("[ 'Greeter' ] Controller\n");
  });

  it('resolves imports with a .js ending, without one, of folders, JSON and subpaths', async () => {
    const output = await run({
      'package.json': JSON.stringify({ type: 'module', imports: { '#deep/*': './src/deep/*.ts' } }),
      'src/main.ts': `
        import { a } from './a.js'; import { b } from './b'; import { c } from './c'; import data from '../data.json';
        import { x } from '#deep/x'; import type { T } from './only-types';
        export * from './b.mjs';
        const { d } = await import('./d');
        const t: T = 'T'; console.log(a, b, c, d, data.e, x, t);`,
      'src/a.ts': `export const a = 'A'`,
      'src/b.mts': `export const b = 'B'`,
      'src/c/index.ts': `export { c } from '../c.js'`,
      'src/c.js': `export const c = 'C'`,
      'src/d.ts': `export const d = 'D'`,
      'src/deep/x.ts': `export const x = 'X'`,
      'data.json': `{"e":"E"}`,
    });
    expect(output).toBe('A B C D E X T\n');
  });

  it('is CommonJS where the package is', async () => {
    const output = await run({
      'package.json': JSON.stringify({ type: 'commonjs' }),
      'main.ts': `import { join } from 'node:path'; import { a } from './a'; import data = require('./data.json'); console.log(a, join('x', 'y'), data.e, __dirname.length > 0)`,
      'a.ts': `export const a = typeof require`,
      'data.json': `{"e":"E"}`,
    });
    expect(output).toBe('function x/y E true\n');
  });

  it.each([
    ['TypeScript with import', 'main.ts', `import 'node:fs'; console.log(typeof require)`, 'undefined'],
    ['TypeScript that needs CommonJS', 'main.ts', `import 'node:fs'; console.log(typeof __dirname)`, 'string'],
    ['JavaScript with require', 'index.js', `require('node:fs'); console.log(typeof require)`, 'function'],
    ['JavaScript with import', 'index.js', `import 'node:fs'; console.log(typeof require)`, 'undefined'],
    ['.mjs', 'main.mjs', `console.log(typeof require)`, 'undefined'],
    ['.cjs', 'main.cjs', `console.log(typeof require)`, 'function'],
  ])('knows the module format without a package.json: %s', async (_, name, code, expected) => {
    expect(await run({ [name]: code })).toBe(`${expected}\n`);
  });

  it('finds packages, Node, and files beside the code as the source does', async () => {
    const output = await run({
      'package.json': esm,
      'node_modules/dependency/package.json': JSON.stringify({ type: 'module', exports: './index.js' }),
      'node_modules/dependency/index.js': `export default 'dependency'`,
      'src/main.ts': `
        import { readFileSync } from 'node:fs'; import dependency from 'dependency';
        const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
        console.log(dependency, text('./greeter.proto'), text('../pages/index.html'), new URL('./', import.meta.url).href.endsWith('/src/'))`,
      'src/greeter.proto': 'syntax',
      'src/index.ts': '',
      'pages/index.html': '<p>',
    });
    expect(output).toBe('dependency syntax <p> true\n');
  });

  it('shows a fault with file, line and code', async () => {
    const source = readSource(files({ 'main.ts': `import './bad'`, 'bad.ts': 'const a = 1;\n\nfunction (: {\n' }));
    await expect(build(source)).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringMatching(/bad\.ts:3:1.*3 \| function \(: \{/s),
    });
    await expect(build(source)).rejects.not.toMatchObject({ detail: expect.stringContaining('backtrace') });
  });

  it('names an import that leads nowhere, or out of the source', async () => {
    await expect(build(readSource(files({ 'main.ts': `import { a } from './gone.js'; a()` })))).rejects.toMatchObject({
      detail: expect.stringContaining('main.ts imports "./gone.js", and there is no such file'),
    });
    files({ 'inner/main.ts': `import '../outer'`, 'outer.ts': '' });
    await expect(build(readSource(join(folder.path, 'inner')))).rejects.toMatchObject({
      detail: expect.stringContaining('outside of'),
    });
  });

  it('shows the line of the source in a stack', async () => {
    const output = await run({
      'package.json': esm,
      'main.ts': `interface Long { a: string }\n\n\nthrow new Error('here' satisfies string)`,
    });
    expect(output).toContain(join(folder.path, 'main.ts') + ':4');
  });

  it('is made once for equal sources, and keeps those that run', async () => {
    const first = await build(readSource(files({ 'main.ts': `console.log(0)` })));
    expect(await build(readSource(folder.path))).toEqual(first);
    const builds = () => readdirSync(join(folder.path, 'node_modules/.cache/micro'));
    expect(builds()).toHaveLength(1);
    utimesSync(dirname(first.entry), 0, 0);
    for (let index = 1; index < 12; index++) {
      await build(readSource(files({ 'main.ts': `console.log(${index})` })), { inUse: new Set([first.entry]) });
    }
    expect(builds()).toHaveLength(9);
    expect(existsSync(first.entry)).toBe(true);
    expect(builds().filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('has a link for a file that came later', async () => {
    await build(
      readSource(
        files({
          'package.json': esm,
          'main.ts': `import { readFileSync } from 'node:fs'; console.log(readFileSync(new URL('./x.txt', import.meta.url), 'utf8'))`,
        }),
      ),
    );
    expect(await run({ 'x.txt': 'later' })).toBe('later\n');
  });

  it('knows a service from other programs', async () => {
    files({
      'a/main.ts': `import { x } from '@micro/service/nest'; x()`,
      'b/main.ts': `import { x } from '@micro/services'; x()`,
    });
    expect((await build(readSource(join(folder.path, 'a')))).registers).toBe(true);
    expect((await build(readSource(join(folder.path, 'b')))).registers).toBe(false);
  });

  it('generates what a .proto means, and again when it changes', async () => {
    const proto = (field: string) => `syntax = "proto3"; package greeter; message Request { string ${field} = 1; }`;
    files({
      'package.json': esm,
      'main.ts': `import type { Request } from './greeter.micro.js'; import './greeter.micro.js'`,
      'greeter.proto': proto('one'),
    });
    const steps: string[] = [];
    await build(readSource(folder.path), { step: (step) => void steps.push(step) });
    expect(steps).toEqual(['generated greeter.micro.ts from greeter.proto']);
    const generated = join(folder.path, 'greeter.micro.ts');
    // As after a `git clone`, where times say nothing: what is current is left alone, what is not is made again.
    utimesSync(generated, 1, 1);
    await build(readSource(folder.path), { step: (step) => void steps.push(step) });
    expect(statSync(generated).mtimeMs).toBe(1_000);
    expect(steps).toHaveLength(1);
    files({ 'greeter.proto': proto('two') });
    utimesSync(join(folder.path, 'greeter.proto'), 0, 0);
    await build(readSource(folder.path));
    expect(readFileSync(generated, 'utf8')).toContain('two');
    await expect(build(readSource(files({ 'greeter.proto': 'message {' })))).rejects.toMatchObject({
      detail: expect.stringContaining('greeter.proto'),
    });
  });

  it('generates as `micro gen` does, with imports from where they are found', async () => {
    files({
      'package.json': esm,
      'main.ts': `import { A } from './proto/a.micro.js'; console.log(typeof A)`,
      'proto/a.proto':
        'syntax = "proto3"; package a; import "proto/inner/b.proto"; service A { rpc Call(b.Thing) returns (b.Thing); }',
      'proto/inner/b.proto': 'syntax = "proto3"; package b; message Thing {}',
    });
    for (const proto of ['a', 'inner/b']) generateFile(join(folder.path, `proto/${proto}.proto`));
    const steps: string[] = [];
    await build(readSource(folder.path), { step: (step) => void steps.push(step) });
    expect(steps).toEqual([]);
  });

  it('says so when the folder cannot be written', async () => {
    files({ 'main.ts': '' });
    chmodSync(folder.path, 0o555);
    // Modes do not bind root, as which CI runs: try it as somebody else.
    const root = process.getuid?.() === 0;
    if (root) process.seteuid?.(65_534);
    try {
      await expect(build(readSource(folder.path))).rejects.toMatchObject({
        detail: expect.stringContaining('may not be written'),
      });
    } finally {
      if (root) process.seteuid?.(0);
      chmodSync(folder.path, 0o700);
    }
  });
});

describe('a source', () => {
  it.each([
    [{ 'package.json': `{"micro":{"main":"start.js"},"main":"main.js"}`, 'start.js': '', 'main.js': '' }, 'start.js'],
    [{ 'package.json': `{"main":"app.ts"}`, 'app.ts': '', 'main.ts': '' }, 'app.ts'],
    [{ 'package.json': `{"main":"dist/main.js"}`, 'dist/main.js': '', 'src/main.ts': '' }, 'src/main.ts'],
    [{ 'package.json': `{"main":"dist/main.js"}`, 'dist/main.js': '' }, 'dist/main.js'],
    [{ 'package.json': `{"main":"gone.js"}`, 'index.js': '' }, 'index.js'],
    [{ 'index.ts': '', 'src/index.ts': '', 'main.ts': '' }, 'src/index.ts'],
    [{ 'main.mjs': '', 'index.js': '' }, 'main.mjs'],
  ])('begins where %j says', (content, entry) => {
    expect(readSource(files(content)).entry).toBe(join(folder.path, entry));
  });

  it('without anything to run tells what was looked for', () => {
    expect(() => readSource(folder.path)).toThrow(
      /nothing to run in .*micro\.main.*src\/main, src\/index, main, index.*\.ts/,
    );
    expect(() => readSource(files({ 'package.json': `{"micro":{"main":"../../etc/passwd"}}` }))).toThrow(
      /not a file in it/,
    );
    expect(() => readSource(files({ 'package.json': '{' }))).toThrow(/package\.json is not JSON/);
    expect(() => readSource(files({ 'package.json': '[]' }))).toThrow(/not a JSON object/);
  });

  it('has to be a folder', () => {
    expect(() => readSource(join(folder.path, 'gone'))).toThrow(/is not there/);
    files({ 'file.ts': '' });
    expect(() => readSource(join(folder.path, 'file.ts'))).toThrow(/is a file/);
    expect(() => readSource('relative/path')).toThrow(/not an absolute path/);
    expect(() => readSource('/tmp\0/x')).toThrow(/not an absolute path/);
  });

  it('gives a service its name', () => {
    expect(defaultName('/x/hello', { name: '@scope/greeter' })).toBe('greeter');
    expect(defaultName('/x/hello', {})).toBe('hello');
    expect(() => defaultName('/x/my service', {})).toThrow(/--name/);
  });

  it.each(['', '..', '../x', 'a/b', 'a\0', '.hidden', 'a..b', 'x'.repeat(10_000), '-a', 'a b', 'naïve'])(
    'refuses the name %j',
    (name) => {
      expect(() => checkName('name', name)).toThrow(/not legal/);
    },
  );

  it.each([
    [
      'github.com/micro/services/helloworld@main',
      'git clone --branch main https://github.com/micro/services && micro run services/helloworld',
    ],
    ['https://github.com/micro/services.git', 'git clone https://github.com/micro/services && micro run services'],
    ['github.com/micro/services@--upload-pack=evil', 'clone the repository with git'],
    ['ext::sh -c evil://x/', undefined],
    ['git@github.com:micro/services.git', 'clone the repository with git'],
  ])('that is a repository, %s, is told how to get', (source, how) => {
    expect(() => readSource(source)).toThrow(how ?? /is not an absolute path/);
  });

  it('is the same by a symbolic link', () => {
    files({ 'real/main.ts': '' });
    symlinkSync(join(folder.path, 'real'), join(folder.path, 'link'));
    expect(readSource(join(folder.path, 'link'))).toEqual(readSource(join(folder.path, 'real')));
    expect(statSync(join(folder.path, 'link')).isDirectory()).toBe(true);
  });
});

describe('dependencies', () => {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };

  it('are installed when one is missing', async () => {
    files({
      'package.json': JSON.stringify({ type: 'module', dependencies: { local: 'file:./local' } }),
      'local/package.json': JSON.stringify({ name: 'local', version: '1.0.0', type: 'module', exports: './index.js' }),
      'local/index.js': `export const a = 1`,
      'main.ts': `import { a } from 'local'; console.log(a)`,
    });
    const steps: string[] = [];
    const install = () => installDependencies(readSource(folder.path), { env, step: (step) => void steps.push(step) });
    await install();
    expect(existsSync(join(folder.path, 'node_modules/local'))).toBe(true);
    await install();
    expect(steps).toEqual(['installing dependencies: npm install']);
  }, 60_000);

  it('that cannot be installed show what was said', async () => {
    files({
      'package.json': JSON.stringify({ dependencies: { gone: '1' } }),
      'main.ts': '',
      '.npmrc': 'registry=http://127.0.0.1:1\nfetch-retries=0',
    });
    await expect(installDependencies(readSource(folder.path), { env })).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringMatching(/npm install in .* failed\n[^]*npm/),
    });
  }, 60_000);
});
