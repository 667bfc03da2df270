/**
 * `nx build <project>`: an app becomes dist/main.cjs (launcher) and dist/app.cjs (bundle), a library dist/index.js. An app that carries others
 * in its package (its implicitDependencies) gets their bundles under dist/platform/<app>/.
 */
import { copyFile, cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { appBundle, libraryBundle, workspaceRoot } from './bundle.mjs';

const projectRoot = process.argv[2];
const project = JSON.parse(await readFile(join(workspaceRoot, projectRoot, 'project.json'), 'utf8'));
// Put in place as a whole, so that who starts what is built meanwhile finds the old or the new, and a build that fails breaks nothing.
const place = join(workspaceRoot, projectRoot, 'dist');
const dist = `${place}.new`;
await rm(dist, { recursive: true, force: true });

if (project.projectType === 'application' && existsSync(join(workspaceRoot, projectRoot, 'src/main.ts'))) {
  await build(appBundle(projectRoot, join(dist, 'app.cjs')));
  for (const app of project.implicitDependencies ?? []) await carry(app);
} else if (existsSync(join(workspaceRoot, projectRoot, 'src/index.ts'))) {
  await build(libraryBundle(projectRoot, [join(projectRoot, 'src/index.ts')], dist));
}
if (existsSync(dist)) {
  await rm(place, { recursive: true, force: true });
  await rename(dist, place);
}

async function carry(app) {
  const built = join(workspaceRoot, 'apps', app, 'dist');
  if (!existsSync(join(built, 'main.cjs')))
    throw new Error(`${app} is not built: build through nx, which does that first: npx nx build ${project.name}`);
  const target = join(dist, 'platform', app);
  await mkdir(target, { recursive: true });
  for (const file of ['main.cjs', 'app.cjs', 'app.cjs.map']) await copyFile(join(built, file), join(target, file));
  if (existsSync(join(built, 'clients')))
    await cp(join(built, 'clients'), join(target, 'clients'), { recursive: true });
}
