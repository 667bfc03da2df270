/**
 * Builds a library that users install, `node tools/build/package.mjs libs/service`: one entry for each of its exports. What comes from this
 * workspace is bundled in, packages from npm stay outside and are its dependencies. Types are rolled up the same way.
 */
import { copyFile, readFile, rm } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { libraryBundle, workspaceRoot } from './bundle.mjs';

const root = process.argv[2];
const folder = join(workspaceRoot, root);
const dist = join(folder, 'dist');
const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
const entries = Object.values(manifest.exports).flatMap(
  ({ default: file }) => file?.match(/^\.\/dist\/(.+)\.js$/)?.[1] ?? [],
);
const source = (entry) => join(root, `src/${entry}.ts`);

await rm(dist, { recursive: true, force: true });
await build({
  ...libraryBundle(root, entries.map(source), dist),
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: false,
  treeShaking: true,
});

const types = await rollup({
  input: Object.fromEntries(entries.map((entry) => [entry, join(workspaceRoot, source(entry))])),
  external: (id) => isBuiltin(id) || !/^(\.|\/|@micro\/)/.test(id),
  plugins: [dts({ tsconfig: join(workspaceRoot, 'tsconfig.base.json') })],
});
await types.write({
  dir: dist,
  format: 'es',
  entryFileNames: '[name].d.ts',
  chunkFileNames: 'chunks/[name]-[hash].d.ts',
});
await types.close();
await copyFile(join(workspaceRoot, 'LICENSE'), join(dist, 'LICENSE'));
