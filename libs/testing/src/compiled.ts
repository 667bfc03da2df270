import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, workspaceRoot } from './platform.js';

/**
 * What makes npm, run with this environment, take the native part of better-sqlite3 that the workspace has compiled instead of compiling it again, which
 * takes a minute: a folder with it in an archive as prebuild-install looks for one before it downloads.
 */
export async function compiledPackages(folder: string): Promise<NodeJS.ProcessEnv> {
  const source = join(workspaceRoot, 'node_modules/better-sqlite3');
  const { version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as { version: string };
  const { versions, platform, arch } = process;
  // Debian's and other glibc; where there is another, npm compiles.
  const archive = `better-sqlite3-v${version}-node-v${versions.modules}-${platform}-${arch}.tar.gz`;
  const { code, stderr } = await run('tar', [
    '-czf',
    join(folder, archive),
    '-C',
    source,
    'build/Release/better_sqlite3.node',
  ]);
  if (code !== 0) throw new Error(`tar: ${stderr}`);
  return { npm_config_better_sqlite3_local_prebuilds: folder };
}
