/**
 * Builds the package that users install: what comes from this workspace is bundled in, packages from npm stay outside and are
 * dependencies. Types are rolled up the same way, one file an entry.
 */
import { rm } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { libraryBundle, workspaceRoot } from '../../tools/build/bundle.mjs';

const root = 'libs/service';
const entries = ['index', 'nest'];
const dist = join(workspaceRoot, root, 'dist');

await rm(dist, { recursive: true, force: true });
await build({
  ...libraryBundle(
    root,
    entries.map((entry) => join(root, `src/${entry}.ts`)),
    dist,
  ),
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: false,
  treeShaking: true,
});

const fromNpm = (id) => isBuiltin(id) || (!id.startsWith('.') && !id.startsWith('/') && !id.startsWith('@micro/'));
const types = await rollup({
  input: Object.fromEntries(entries.map((entry) => [entry, join(workspaceRoot, root, `src/${entry}.ts`)])),
  external: fromNpm,
  plugins: [dts({ tsconfig: join(workspaceRoot, 'tsconfig.base.json') })],
});
await types.write({ dir: dist, format: 'es', entryFileNames: '[name].d.ts', chunkFileNames: 'chunks/[name]-[hash].d.ts' });
await types.close();
