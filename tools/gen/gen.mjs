/**
 * Generates libs/proto/src/gen from proto/*.proto and libs/proto/builtin, and the TypeScript beside each example's .proto:
 * `node tools/gen/gen.mjs` writes, `--check` only compares and exits 1 where a file is stale.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** libs/proto is TypeScript: bundled to a file that Node can run, without the generated files that it is about to write. */
async function load(name) {
  const directory = await mkdtemp(join(tmpdir(), 'micro-gen-'));
  try {
    const outfile = join(directory, `${name}.mjs`);
    await build({
      absWorkingDir: root,
      entryPoints: [`libs/proto/src/generate/${name}.ts`],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      tsconfig: 'tsconfig.base.json',
      logLevel: 'warning',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const check = process.argv.includes('--check');
const { builtinModule } = await load('builtin');
const builtin = {};
for (const path of await protosIn('libs/proto/builtin', { recursive: true }))
  builtin[path] = await readFile(join(root, 'libs/proto/builtin', path), 'utf8');
await put('libs/proto/src/gen/builtin.ts', { text: builtinModule(builtin), source: 'libs/proto/builtin' });

const { generate } = await load('generate');
for (const path of await protosIn('proto')) {
  await bring(join('libs/proto/src/gen', path.replace(/\.proto$/, '.ts')), join('proto', path), {
    runtime: '../runtime.js',
  });
}
for (const folder of await exampleProtos()) {
  for (const path of await protosIn(folder))
    await bring(join(folder, path.replace(/\.proto$/, '.micro.ts')), join(folder, path), {});
}

/** The proto folders of examples: of one that is a service, and of those that consist of several. */
async function exampleProtos() {
  const folders = await readdir(join(root, 'examples'), { recursive: true, withFileTypes: true });
  return folders
    .filter((entry) => entry.isDirectory() && entry.name === 'proto')
    .map((entry) => join(relative(root, entry.parentPath), 'proto'))
    .filter((folder) => !/\b(node_modules|dist)\b/.test(folder))
    .sort();
}

async function protosIn(folder, options) {
  const names = await readdir(join(root, folder), options).catch(() => []);
  return names.filter((name) => name.endsWith('.proto')).sort();
}

async function bring(target, source, options) {
  const text = generate({ path: basename(source), text: await readFile(join(root, source), 'utf8') }, options);
  await put(target, { text, source });
}

async function put(target, { text, source }) {
  if (text === (await readFile(join(root, target), 'utf8').catch(() => ''))) return;
  if (check) {
    console.error(`${target} is not what ${source} says: run \`node tools/gen/gen.mjs\``);
    process.exitCode = 1;
  } else {
    await writeFile(join(root, target), text);
    console.log(`wrote ${target}`);
  }
}
