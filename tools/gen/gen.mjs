/**
 * Generates libs/proto/src/gen from proto/*.proto: `node tools/gen/gen.mjs` writes, `--check` only compares and exits 1 where a file is stale.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** libs/proto is TypeScript: bundled to a file that Node can run, without the generated files that it is about to write. */
async function loadGenerate() {
  const directory = await mkdtemp(join(tmpdir(), 'micro-gen-'));
  try {
    const outfile = join(directory, 'generate.mjs');
    await build({
      absWorkingDir: root,
      entryPoints: ['libs/proto/src/generate.ts'],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      tsconfig: 'tsconfig.base.json',
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
      logLevel: 'warning',
    });
    return (await import(pathToFileURL(outfile).href)).generate;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const check = process.argv.includes('--check');
const generate = await loadGenerate();
for (const path of (await readdir(join(root, 'proto'))).filter((name) => name.endsWith('.proto')).sort()) {
  const target = join(root, 'libs/proto/src/gen', path.replace(/\.proto$/, '.ts'));
  const text = generate({ path, text: await readFile(join(root, 'proto', path), 'utf8') }, { runtime: '../runtime.js' });
  if (text === (await readFile(target, 'utf8').catch(() => ''))) continue;
  if (check) {
    console.error(`${target} is not what proto/${path} says: run \`node tools/gen/gen.mjs\``);
    process.exitCode = 1;
  } else {
    await writeFile(target, text);
    console.log(`wrote ${target}`);
  }
}
