/** Writes docs/guarantees.md from what the adapters declare: `npx nx run docs:guarantees`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { libraryBundle, workspaceRoot } from '../build/bundle.mjs';

// Within the workspace, where Node finds the packages that are not bundled.
const folder = await mkdtemp(join(workspaceRoot, 'node_modules/.guarantees-'));
try {
  await build({
    ...libraryBundle('tools/docs', ['tools/docs/guarantees.ts'], folder),
    outExtension: { '.js': '.mjs' },
  });
  const { guarantees } = await import(pathToFileURL(join(folder, 'guarantees.mjs')).href);
  await writeFile(join(workspaceRoot, 'docs/guarantees.md'), await guarantees());
} finally {
  await rm(folder, { recursive: true, force: true });
}
