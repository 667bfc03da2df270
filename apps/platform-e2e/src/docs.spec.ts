import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, run, startPlatform, temporaryFolder, type TestPlatform, workspaceRoot } from '@micro/testing';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** A page a block: its example in TypeScript, then what that prints, and commands for a terminal. */
const pages = ['store', 'blobs', 'broker', 'events'];

/** The first block of code in a language. */
async function block(page: string, language: string): Promise<string> {
  const text = await readFile(join(workspaceRoot, `docs/${page}.md`), 'utf8');
  const [, code] = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(text) ?? [];
  if (!code) throw new Error(`docs/${page}.md has no example in ${language}`);
  return code;
}

let platform: TestPlatform;
/** Within the workspace, so that Node and TypeScript find @micro/service as built. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(workspaceRoot, 'apps/platform-e2e/.docs-'));
  platform = await startPlatform();
});
afterAll(async () => {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

it('examples of the pages are right by their types', { timeout: 60_000 }, async () => {
  for (const page of pages) await writeFile(join(folder, `${page}.ts`), await block(page, 'ts'));
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const { stdout } = await run(process.execPath, [
    join(workspaceRoot, 'node_modules/typescript/bin/tsc'),
    '-p',
    folder,
  ]);
  expect(stdout).toBe('');
});

describe.each(pages)('docs/%s.md', (page) => {
  it('its example prints what it says, with nothing running', async () => {
    await using home = await temporaryFolder();
    const { code: program } = await transform(await block(page, 'ts'), { loader: 'ts', format: 'esm' });
    const file = join(folder, `${page}.mjs`);
    await writeFile(file, program);
    const { MICRO_HOME: _, ...others } = platform.env;
    const outside = Object.fromEntries(Object.entries(others).filter(([name]) => !name.startsWith('MICRO_')));
    const env = {
      ...outside,
      MICRO_HOME: home.path,
      MICRO_MDNS_PORT: String(await freePort()),
      MICRO_LOG_LEVEL: 'silent',
    };
    const { code, stdout, stderr } = await run(process.execPath, [file], { env });
    expect(stderr).toBe('');
    expect(stdout).toBe(await block(page, 'text'));
    expect(code).toBe(0);
  });

  it('its commands succeed on a platform that runs', async () => {
    const commands = (await block(page, 'sh')).replaceAll('/tmp/', `${platform.home}/`);
    const micro = `"${process.execPath}" "${join(workspaceRoot, 'apps/cli/bin/micro.mjs')}"`;
    const script = commands.replaceAll(/(^|timeout -s INT 2 )micro /gm, (_, before: string) => `${before}${micro} `);
    // Cut off by ctrl-c, a command that goes on ends with 0; `timeout` says 124 then.
    const accepting = script.replaceAll(/^timeout .*$/gm, (line) => `${line} || [ $? = 124 ]`);
    const { code, stderr } = await run('sh', ['-ec', accepting], { env: platform.env });
    expect(stderr).not.toMatch(/^error/m);
    expect(code).toBe(0);
  });
});
