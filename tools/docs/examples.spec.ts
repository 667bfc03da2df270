/** The first `ts` block of a page is a whole program, and the `text` block behind it what it prints. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanEnvironment, freePort, run, temporaryFolder, workspaceRoot } from '@micro/testing';
import { build, type BuildOptions } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const pages = ['store', 'blobs', 'locks', 'broker', 'events'];

/** Within the workspace, where Node finds the packages that are not bundled. */
let folder: string;

beforeAll(async () => {
  const cache = join(workspaceRoot, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  folder = await mkdtemp(join(cache, 'docs-'));
  await Promise.all(pages.map(async (page) => writeFile(join(folder, `${page}.ts`), (await exampleOf(page)).program)));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the example of a page', () => {
  it.each(pages)('prints what it says: %s', async (page) => {
    await using home = await temporaryFolder();
    const { libraryBundle } = (await import(join(workspaceRoot, 'tools/build/bundle.mjs'))) as {
      libraryBundle(root: string, entries: readonly string[], outdir: string): BuildOptions;
    };
    const dist = join(folder, page);
    await build({
      ...libraryBundle('tools/docs', [join(folder, `${page}.ts`)], dist),
      outExtension: { '.js': '.mjs' },
    });
    const env = { ...cleanEnvironment(), MICRO_HOME: home.path, MICRO_MDNS_PORT: String(await freePort()) };
    const { code, stdout, stderr } = await run(process.execPath, [join(dist, `${page}.mjs`)], { env, cwd: home.path });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: (await exampleOf(page)).output, stderr: '' });
  });

  it('has the types that it should', async () => {
    const config = { extends: join(workspaceRoot, 'tsconfig.base.json'), include: ['*.ts'], exclude: [] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(workspaceRoot, 'node_modules/typescript/bin/tsc');
    const { code, stdout } = await run(process.execPath, [tsc, '--noEmit', '-p', folder]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  }, 120_000);
});

async function exampleOf(page: string): Promise<{ readonly program: string; readonly output: string }> {
  const text = await readFile(join(workspaceRoot, `docs/${page}.md`), 'utf8');
  const [, program, output] = /```ts\n([^]*?)```\n[^]*?```text\n([^]*?)```/.exec(text) ?? [];
  if (program === undefined || output === undefined) throw new Error(`docs/${page}.md has no example with its output`);
  return { program, output };
}
