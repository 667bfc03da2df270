import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { temporaryFolder } from '@micro/testing';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => void (folder = await temporaryFolder()));
afterEach(() => folder[Symbol.asyncDispose]());

const launcher = readFileSync(new URL('./launcher.cjs', import.meta.url), 'utf8');
const home = () => join(folder.path, 'home');
const caches = () => readdirSync(join(home(), 'cache/code'));

/** A bundle that prints what an expression gives, and its launcher, as the build makes them. */
function bundle(expression: string, hash: string): void {
  const text = `(function (exports, require, module, __filename, __dirname) {console.log(${expression});\n})\n//# sourceMappingURL=app.cjs.map\n`;
  writeFileSync(join(folder.path, 'app.cjs'), text);
  writeFileSync(join(folder.path, 'main.cjs'), launcher.replace('@bundleHash@', hash));
}

const run = (MICRO_HOME = home()) =>
  execFileSync(process.execPath, [join(folder.path, 'main.cjs'), 'argument'], {
    env: { ...process.env, MICRO_HOME },
    encoding: 'utf8',
  }).trim();

it('runs the bundle as a module of its own', () => {
  bundle(
    '[process.argv[2], __filename, __dirname, typeof require("node:fs").statSync, module.exports === exports].join()',
    'a',
  );
  expect(run()).toBe(['argument', join(folder.path, 'app.cjs'), folder.path, 'function', 'true'].join());
});

it('keeps the code cache of a bundle, and that of the newest only', () => {
  bundle('"one"', 'aaaa');
  expect(run()).toBe('one');
  const [first] = caches();
  const made = statSync(join(home(), 'cache/code', first as string)).mtimeMs;
  expect(run()).toBe('one');
  expect(caches()).toEqual([first]);
  expect(statSync(join(home(), 'cache/code', first as string)).mtimeMs).toBe(made);

  // As long as the one before: V8 would take its cache for this bundle's.
  bundle('"two"', 'bbbb');
  expect(run()).toBe('two');
  expect(caches()).toHaveLength(1);
  expect(caches()).not.toEqual([first]);
});

it('makes a cache that V8 refuses again', () => {
  bundle('"one"', 'aaaa');
  run();
  const file = join(home(), 'cache/code', caches()[0] as string);
  writeFileSync(file, 'no code');
  expect(run()).toBe('one');
  expect(readFileSync(file).length).toBeGreaterThan(100);
});

it('works without a home that can be written', () => {
  bundle('"one"', 'aaaa');
  const taken = join(folder.path, 'main.cjs');
  expect(run(taken)).toBe('one');
  expect(existsSync(home())).toBe(false);
});
