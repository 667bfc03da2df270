/** `nx build <project>`: an app becomes dist/main.cjs (launcher) and dist/app.cjs (bundle), a library dist/index.js. */
import { copyFile, readFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { appBundle, libraryBundle, workspaceRoot } from './bundle.mjs';

const projectRoot = process.argv[2];
const project = JSON.parse(await readFile(join(workspaceRoot, projectRoot, 'project.json'), 'utf8'));
const dist = join(workspaceRoot, projectRoot, 'dist');
await rm(dist, { recursive: true, force: true });

if (project.projectType === 'application' && existsSync(join(workspaceRoot, projectRoot, 'src/main.ts'))) {
  await build(appBundle(projectRoot, join(dist, 'app.cjs')));
  await copyFile(new URL('./launcher.cjs', import.meta.url), join(dist, 'main.cjs'));
} else if (existsSync(join(workspaceRoot, projectRoot, 'src/index.ts'))) {
  await build(libraryBundle(projectRoot, [join(projectRoot, 'src/index.ts')], dist));
}
